/**
 * A process that runs out of descriptors, for prlimit(1) to start: `tsx sqlite-descriptors-child.ts <folder>`.
 * Prints what became of each step as JSON.
 */
import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createSpool, createSqliteStore, type DeliveryDraft, DeliveryError } from "../../src/lib";

const [folder = ""] = process.argv.slice(2);

const draftOf = (): DeliveryDraft => ({
  id: randomUUID(),
  writer: { id: "writer", type: "test", name: "" },
  source: { kind: "text", name: "a.txt", text: "content" },
  target: "a.txt",
  location: "test:/a.txt",
  metadata: {},
  attributes: {},
});

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    return error instanceof DeliveryError ? `${error.kind}: ${error.message}` : `no DeliveryError: ${error}`;
  }
}

function takeAllDescriptors(): () => void {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    return () => {
      for (const descriptor of taken) closeSync(descriptor);
    };
  }
}

async function main(): Promise<void> {
  const opened = createSqliteStore({ file: join(folder, "opened.sqlite") });
  const closed = createSqliteStore({ file: join(folder, "closed.sqlite") });
  const spool = createSpool({ folder: join(folder, "spool") });
  const put = () => spool.put(Readable.from(["content"]));
  await opened.accept(draftOf());
  const giveBack = takeAllDescriptors();
  const gone = {
    opened: await outcomeOf(opened.accept(draftOf())),
    closed: await outcomeOf(closed.accept(draftOf())),
    spool: await outcomeOf(put()),
  };
  giveBack();
  const back = {
    opened: await outcomeOf(opened.accept(draftOf())),
    closed: await outcomeOf(closed.accept(draftOf())),
    spool: await outcomeOf(put()),
  };
  const kept = { opened: await opened.counts(), closed: await closed.counts() };
  await opened.close();
  await closed.close();
  process.stdout.write(JSON.stringify({ gone, back, kept }));
}

void main();
