/**
 * A process that writes one file, for strace(1) to fail: `tsx folder-child.ts <options as JSON> <target>
 * <content> [<more of the request as JSON>]`. Prints the receipt or the error as JSON.
 */
import { toErrorRecord } from "../../src/lib/errors";
import { createFolderWriter, readFolderWriterOptions } from "../../src/lib/writers/folder";
import { testSource } from "../support/sources";

async function main(): Promise<void> {
  const [options = "", target = "", content = "", more = "{}"] = process.argv.slice(2);
  const writer = createFolderWriter(readFolderWriterOptions(JSON.parse(options)));
  const request = {
    ...{ deliveryId: "1", target, contentType: undefined, metadata: {}, attributes: {} },
    ...JSON.parse(more),
  };
  const context = { signal: new AbortController().signal, onProgress: () => {} };
  const outcome = await writer.write(testSource(Buffer.from(content)), request, context).catch(toErrorRecord);
  process.stdout.write(JSON.stringify(outcome));
}

void main();
