import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as zlib from "node:zlib";
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import type { Receipt } from "../../../src/lib/types";
import { hasPart } from "../../../src/lib/writers/s3/resume";
import { content, serverError, smallPartBytes, type TestAttempt, useResumeBench } from "./s3-resume-bench";
import { bucket, partSizeBytes } from "./s3-store";

const bench = useResumeBench();
const { attempt, expectDelivered, heal, inject, leaveUnfinished, sentParts, storedParts, uploads } = bench;

describe("the next attempt goes on with what is there", () => {
  test.each(["supported", "required"])("after a server error: checksums when %s", async (checksums) => {
    const connection = { checksums };
    const request = await leaveUnfinished({ connection });
    const receipt = (await attempt({ request, connection })) as Receipt;
    await expectDelivered(request, receipt);
    expect(receipt.verified).toBe("checksum");
    const sent = sentParts();
    // The last one may have been there as well.
    expect([[3], [3, 4]]).toContainEqual(sent);
    expect(receipt.notes).toEqual([expect.stringContaining(`had sent ${4 - sent.length} of the parts`)]);
  });

  test("after its deadline, of content whose length nobody knew", async () => {
    const request = bench.newRequest();
    const controller = new AbortController();
    inject(async ({ query }) => {
      if (query.get("partNumber") !== "3") return undefined;
      while (storedParts(request) < 2) await sleep(5);
      controller.abort(new DeliveryError("unavailable", "The attempt was ended after 9 hours."));
      return { delayMs: 1_000 };
    });
    const source = { unknownLength: true };
    const aborted = await attempt({ request, source, signal: controller.signal });
    expect(aborted).toMatchObject({ kind: "cancelled" });
    heal();
    const repeat = { ...request, begun: 2 };
    await expectDelivered(repeat, await attempt({ request: repeat, source }));
    expect(sentParts().length).toBeLessThanOrEqual(2);
  });

  test("after a kill, in another process", async () => {
    const request = { ...bench.newRequest(), begun: 2 };
    const { endpoint, accessKeyId, secretAccessKey } = bench.store.server;
    const place = [endpoint, accessKeyId, secretAccessKey, bucket, request.target];
    const values = [...place, "22", "20", request.deliveryId, bench.folder];
    const child = spawn(process.execPath, ["--import", "tsx", join(__dirname, "s3-child.ts"), ...values], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    while (storedParts(request) < 2) {
      if (child.exitCode !== null) throw new Error("The process ended before it was killed.");
      await sleep(10);
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    // What was sent last may only now come to its end.
    while (bench.requests.length > 0) {
      heal();
      await sleep(200);
    }
    const there = storedParts(request);
    expect(await bench.store.read(request.target)).toBeUndefined();
    const bytes = Buffer.alloc(22 * 1024 * 1024, "x");
    await expectDelivered(
      request,
      await attempt({ request, bytes, options: { partBytes: partSizeBytes } }),
      bytes,
    );
    expect(sentParts()).toHaveLength(5 - there);
  }, 60_000);

  test("as often as it takes", async () => {
    const request = await leaveUnfinished();
    const begun = uploads(request);
    inject(({ query }) => (query.get("partNumber") === "3" ? serverError : undefined));
    expect(await attempt({ request })).toMatchObject({ kind: "unavailable" });
    inject(({ operation }) => (operation === "CompleteMultipartUpload" ? serverError : undefined));
    expect(await attempt({ request })).toMatchObject({ kind: "unavailable" });
    expect(uploads(request)).toEqual(begun);
    heal();
    await expectDelivered(request, await attempt({ request }));
    expect(sentParts()).toEqual([]);
  });

  test("also with more parts than the store lists at once", async () => {
    // Parts of an unknown number double after the 900th.
    const tiny = { options: { partBytes: 100 }, source: { unknownLength: true } };
    const bytes = randomBytes(900 * 100 + 150 * 200);
    const request = { ...bench.newRequest(), begun: 2 };
    inject(({ operation }) => (operation === "CompleteMultipartUpload" ? serverError : undefined));
    expect(await attempt({ ...tiny, bytes, request })).toMatchObject({ kind: "unavailable" });
    expect(sentParts()).toHaveLength(1_050);
    heal();
    await expectDelivered(request, await attempt({ ...tiny, bytes, request }), bytes);
    expect(sentParts()).toEqual([]);
  }, 60_000);
});

describe("nothing is taken on trust", () => {
  test("a part that somebody damaged is sent again", async () => {
    const request = await leaveUnfinished();
    const [UploadId] = uploads(request);
    const part = { Bucket: bucket, Key: request.target, UploadId, PartNumber: 1 };
    const Body = Buffer.alloc(smallPartBytes, 7);
    await bench.store.client.send(new UploadPartCommand({ ...part, Body, ChecksumAlgorithm: "CRC32" }));
    heal();
    await expectDelivered(request, await attempt({ request }));
    expect(sentParts()).toContain(1);
    expect(sentParts()).not.toContain(2);
  });

  test("nor is a part of content that has changed since", async () => {
    const source = { unknownLength: true };
    const request = await leaveUnfinished({ source });
    const bytes = Buffer.from(content);
    bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
    await expectDelivered(request, await attempt({ request, bytes, source }), bytes);
    expect(sentParts()).toContain(1);
    expect(sentParts()).not.toContain(2);
  });

  test.each<[string, Partial<TestAttempt>]>([
    ["another storage class", { options: { storageClass: "STANDARD_IA" } }],
    ["another part size", { options: { partBytes: smallPartBytes + 1 } }],
    ["other checksums", { connection: { checksums: "required" } }],
  ])("an upload that was begun for %s is removed", async (_, changes) => {
    const request = await leaveUnfinished();
    const receipt = await attempt({ request, ...changes });
    await expectDelivered(request, receipt);
    expect(sentParts().slice(0, 3)).toEqual([1, 2, 3]);
  });

  test("an upload that was begun for another key is removed", async () => {
    const request = await leaveUnfinished();
    const elsewhere = { ...request, target: "elsewhere.bin" };
    await expectDelivered(elsewhere, await attempt({ request: elsewhere }));
    expect(uploads(request)).toEqual([]);
  });

  test("an upload that was begun in another bucket is removed", async () => {
    const request = await leaveUnfinished();
    await bench.store.client.send(new CreateBucketCommand({ Bucket: "another-bucket" }));
    const receipt = await attempt({ request, options: { bucket: "another-bucket" } });
    expect(receipt).toMatchObject({ outcome: "delivered", bytes: content.length });
    expect([uploads(request), await bench.notes()]).toEqual([[], 0]);
  });

  test("an upload that is gone is begun anew", async () => {
    const request = await leaveUnfinished();
    const [UploadId] = uploads(request);
    const upload = { Bucket: bucket, Key: request.target, UploadId };
    await bench.store.client.send(new AbortMultipartUploadCommand(upload));
    await expectDelivered(request, await attempt({ request }));
  });

  test("an upload that may not be looked at is begun anew", async () => {
    const request = await leaveUnfinished();
    const denied = { answer: { status: 403, code: "AccessDenied" } };
    inject(({ operation }) => (operation === "ListParts" ? denied : undefined));
    await expectDelivered(request, await attempt({ request }));
    expect(sentParts()).toEqual([1, 2, 3, 4]);
  });

  test("an upload stays when the store does not answer", async () => {
    const request = await leaveUnfinished();
    const begun = uploads(request);
    inject(({ operation }) => (operation === "ListParts" ? serverError : undefined));
    expect(await attempt({ request })).toMatchObject({ kind: "unavailable" });
    expect(uploads(request)).toEqual(begun);
    heal();
    await expectDelivered(request, await attempt({ request }));
  });

  test("an upload of somebody else under the same key is left alone", async () => {
    const request = await leaveUnfinished();
    const target = { Bucket: bucket, Key: request.target };
    const theirs = await bench.store.client.send(new CreateMultipartUploadCommand(target));
    expect(await attempt({ request })).toMatchObject({ outcome: "delivered" });
    expect(uploads(request)).toEqual([theirs.UploadId]);
  });

  const body = Buffer.from("a part");
  const crc32 = Buffer.alloc(4);
  crc32.writeUInt32BE(zlib.crc32(body));
  const ChecksumCRC32 = crc32.toString("base64");
  /** `printf 'a part' | md5sum` */
  const ETag = '"9db120e8880f33acf4ddeb40892c390c"';

  test.each([
    ["its MD5 is the same", { ETag, Size: 6 }, true],
    [
      "the ETag is of a key of the store's, the CRC-32 the same",
      { ETag: '"x"', Size: 6, ChecksumCRC32 },
      true,
    ],
    ["the store knows no such part", undefined, false],
    ["only the size is the same", { ETag: '"x"', Size: 6 }, false],
    ["the CRC-32 differs", { ETag: '"x"', Size: 6, ChecksumCRC32: "AAAAAA==" }, false],
    ["the size differs", { ETag, Size: 7, ChecksumCRC32 }, false],
    ["there is no ETag to complete it with", { Size: 6, ChecksumCRC32 }, false],
  ])("a part of which %s", (_, listed, expected) => {
    expect(hasPart(listed, body)).toBe(expected);
  });
});
