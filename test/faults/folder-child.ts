/**
 * A process that makes one attempt, for strace(1) to fail: `tsx folder-child.ts <options> <request>
 * <source>`, each as JSON. Prints the receipt or the error as JSON.
 */
import {
  createFolderWriter,
  createSpool,
  openSource,
  readFolderWriterOptions,
  toErrorRecord,
} from "../../src/lib";

async function main(): Promise<void> {
  const [options, request, spec] = process.argv.slice(2).map((text) => JSON.parse(text));
  const writer = createFolderWriter(readFolderWriterOptions(options));
  const source = await openSource(spec, { spool: createSpool({ folder: `${options.root}-spool` }) });
  const context = { signal: new AbortController().signal, onProgress: () => {} };
  const outcome = await writer.write(source, request, context).catch(toErrorRecord);
  process.stdout.write(JSON.stringify(outcome));
}

void main();
