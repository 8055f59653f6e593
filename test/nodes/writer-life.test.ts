import { writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { useWriters } from "./support/flows";
import { bucket, ftpWriter, s3Writer } from "./support/servers";

const { servers, runtime, load } = useWriters();

describe("the status of a writer", () => {
  test("tells the percentage and the speed, then what waits, then the result", async () => {
    const file = path.join(runtime.folder, "large.bin");
    await writeFile(file, Buffer.alloc(24 * 1024 ** 2));
    const release = servers.s3.onRequest(({ operation }) =>
      operation === "UploadPart" ? { delayMs: 500 } : undefined,
    );
    await load(s3Writer({ concurrency: "1", partMegabytes: 5 }));
    const source = { kind: "file", name: "large.bin", path: file };
    for (const topic of ["1", "2"]) runtime.send("writer", { source, topic });
    await runtime.status("writer", /^sending \d+ %, [\d.]+ .?B\/s, 1 waiting$/);
    release();
    for (const topic of ["1", "2"]) expect((await runtime.next("delivered")).topic).toBe(topic);
    await runtime.status("writer", {
      fill: "green",
      shape: "dot",
      text: "delivered large.bin, 25.2 MB, checksum compared",
    });
  });

  test("a failed attempt is red until the next one works", async () => {
    servers.ftp.hook = (command) => (command === "STOR" ? { reply: "452 Disk full" } : undefined);
    await load(ftpWriter());
    runtime.send("writer", { payload: "x" });
    await runtime.status("writer", { fill: "red", text: expect.stringMatching(/^failed: /) });
    servers.ftp.hook = undefined;
    runtime.send("writer", { payload: "x" });
    await runtime.status("writer", { fill: "green", text: "delivered payload.txt, 1 B, read back" });
  });
});

test("a status that has no room for the server's name and the place says why", async () => {
  await load(s3Writer({ bucket: "no-bucket-of-ours" }));
  runtime.send("writer", { payload: "x" });
  await runtime.status("writer", {
    fill: "red",
    text: expect.stringMatching(/^failed: The specified bucket does not exist \(NoSuchBucket\)\. Create/),
  });
});

test("a writer sends as many at a time as it is told, and all in the end", async () => {
  let [under, most] = [0, 0];
  const release = servers.s3.onRequest(async ({ operation }) => {
    if (operation !== "PutObject") return undefined;
    most = Math.max(most, ++under);
    await sleep(30);
    under--;
    return undefined;
  });
  await load(s3Writer({ concurrency: 3, key: "many/{{msg.n}}" }));
  for (let n = 0; n < 12; n++) runtime.send("writer", { payload: `${n}`, n });
  const arrived = [];
  for (let n = 0; n < 12; n++) arrived.push((await runtime.next("delivered")).n);
  release();
  expect(arrived.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, n) => n));
  expect(most).toBe(3);
  expect(String(await servers.s3.read(bucket, "many/7"))).toBe("7");
});

test("one file goes through two writers of one connection and a third of another kind", async () => {
  const file = path.join(runtime.folder, "shared.csv");
  await writeFile(file, "a;b\n1;2\n");
  const first = s3Writer({ key: "first/{{source.name}}" });
  const second = s3Writer({ id: "second", key: "second/{{source.name}}" });
  const third = ftpWriter({ id: "third", path: "third/{{source.name}}" });
  await load(
    {
      id: "source",
      type: "delivery-data-source",
      kind: "file",
      path: file,
      wires: [["writer", "second", "third"]],
    },
    first,
    second,
    third,
  );
  runtime.send("source", {});
  const records = [];
  for (let n = 0; n < 3; n++) records.push((await runtime.next("delivered")).delivery);
  expect(new Set(records.map(({ sha256 }) => sha256)).size).toBe(1);
  expect(new Set(records.map(({ id }) => id)).size).toBe(3);
  expect(String(await servers.s3.read(bucket, "first/shared.csv"))).toBe("a;b\n1;2\n");
  expect(String(await servers.s3.read(bucket, "second/shared.csv"))).toBe("a;b\n1;2\n");
});
