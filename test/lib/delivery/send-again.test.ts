import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { createMemoryWriter, createSpool, sendAgain, writerAttempt } from "../../../src/lib";
import { createBench } from "./runner-bench";

test("the same bytes go from the spool to the same target; when they are gone, it says so", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "send-again-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const spool = createSpool({ folder });
  const written = await spool.put(Readable.from(["the content"]));
  const { store, start, accept, reaches } = createBench();
  const writer = createMemoryWriter();
  start({ attempt: writerAttempt(writer, { spool }) });
  const first = await accept({ source: { kind: "spool", name: "a.txt", ...written }, target: "a.txt" });
  await reaches(first.id, "delivered");

  const again = await sendAgain(store, { id: first.id, spool });
  const { receipt } = await reaches(again?.id ?? "", "delivered");
  expect(receipt).toMatchObject({ bytes: 11, sha256: written.sha256 });

  await rm(path.join(folder, written.sha256));
  await expect(sendAgain(store, { id: first.id, spool })).rejects.toMatchObject({
    kind: "missing",
    message: expect.stringMatching(/content of a\.txt is no longer kept\. Send the message anew\.$/),
  });
  expect((await store.list({})).deliveries).toHaveLength(2);
});
