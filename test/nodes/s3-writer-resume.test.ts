import { randomBytes } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { quick, useRetry } from "./support/flows";
import { bucket, s3Writer } from "./support/servers";

const { servers, runtime, load } = useRetry();
const content = randomBytes(11 * 1024 ** 2);
const message = { source: { kind: "file", name: "large.bin", path: "" } };

/** A flow with large content in three parts, whose last fails so many times when the others are there. */
async function sendLarge(failures: number): Promise<() => void> {
  const file = path.join(runtime.folder, "large.bin");
  await writeFile(file, content);
  await load({ ...quick, attempts: "2" }, s3Writer({ partMegabytes: 5, wires: [["delivered"], ["retry"]] }));
  let left = failures;
  const heal = servers.s3.onRequest(async ({ operation, query }) => {
    if (operation !== "UploadPart" || query.get("partNumber") !== "3" || left === 0) return undefined;
    while (uploads().every(({ parts }) => parts.size < 2)) await sleep(5);
    left--;
    return { answer: { status: 400, code: "BadDigest" } };
  });
  runtime.send("writer", { ...message, source: { ...message.source, path: file } });
  return heal;
}

const uploads = () => [...(servers.s3.buckets.get(bucket)?.uploads.values() ?? [])];
const notes = () => readdir(path.join(runtime.userFolder, "data-distribution", "unfinished"));

test("a large upload that broke goes on where it was when it is tried again", async () => {
  const heal = await sendLarge(1);
  const { delivery } = await runtime.next("delivered");
  heal();
  expect(delivery).toMatchObject({ state: "delivered", attempt: 2, bytes: content.length });
  expect(delivery.notes).toEqual([expect.stringContaining("An earlier attempt had sent 2 of the parts")]);
  expect((await servers.s3.read(bucket, "large.bin"))?.equals(content)).toBe(true);
  expect([uploads(), await notes()]).toEqual([[], []]);
});

test("when a delivery is given up, nothing of it stays", async () => {
  const heal = await sendLarge(Number.POSITIVE_INFINITY);
  const { delivery } = await runtime.next("gaveUp");
  heal();
  expect(delivery).toMatchObject({ state: "gave-up", attempt: 2 });
  await expect.poll(uploads, { timeout: 10_000 }).toEqual([]);
  await expect.poll(notes, { timeout: 10_000 }).toEqual([]);
});
