import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import type { S3Injection } from "../../../demo/servers/s3/hook";
import { DeliveryError } from "../../../src/lib/errors";
import type { Receipt } from "../../../src/lib/types";
import type { SourceBehaviour } from "../../support/sources";
import { content, serverError, smallPartBytes, useResumeBench } from "./s3-resume-bench";

const bench = useResumeBench();
const {
  attempt,
  expectDelivered,
  heal,
  inject,
  leaveUnfinished,
  newRequest,
  notes,
  sentParts,
  storedParts,
  uploads,
} = bench;

const failPart = (n: number, fault: S3Injection) =>
  inject(({ query }) => (query.get("partNumber") === String(n) ? fault : undefined));

describe("what is not gone on with is removed", () => {
  test.each<[string, S3Injection, SourceBehaviour, object]>([
    [
      "the keys lost their permission",
      { answer: { status: 403, code: "AccessDenied" } },
      {},
      { kind: "denied" },
    ],
    [
      "the source changed",
      {},
      { failAfterBytes: 3 * smallPartBytes - 1, error: new DeliveryError("changed", "The source changed.") },
      { kind: "changed" },
    ],
    ["the upload was lost", { answer: { status: 404, code: "NoSuchUpload" } }, {}, { code: "NoSuchUpload" }],
  ])("at once, when %s", async (_, fault, source, expected) => {
    const request = newRequest();
    failPart(3, fault);
    expect(await attempt({ request, source })).toMatchObject(expected);
    expect([uploads(request), await notes()]).toEqual([[], 0]);
  });

  test("at once, when nothing of it had arrived", async () => {
    const request = newRequest();
    inject(({ operation }) => (operation === "UploadPart" ? serverError : undefined));
    expect(await attempt({ request })).toMatchObject({ kind: "unavailable" });
    expect([uploads(request), await notes()]).toEqual([[], 0]);
  });

  test("at once, when it is interrupted while the store begins the upload", async () => {
    const request = newRequest();
    const controller = new AbortController();
    inject(({ operation }) => {
      if (operation !== "CreateMultipartUpload") return undefined;
      setTimeout(() => controller.abort(new DeliveryError("cancelled", "A deploy.")), 100);
      return { lastAnswerDelayMs: 300 };
    });
    expect(await attempt({ request, signal: controller.signal })).toMatchObject({ kind: "cancelled" });
    expect([uploads(request), await notes()]).toEqual([[], 0]);
    expect(bench.requests.map(({ operation }) => operation)).not.toContain("UploadPart");
  });

  test("at once, when a deploy or a shutdown interrupts it", async () => {
    const request = newRequest();
    const controller = new AbortController();
    inject(async ({ query }) => {
      if (query.get("partNumber") !== "3") return undefined;
      while (storedParts(request) < 2) await sleep(5);
      controller.abort(new DeliveryError("cancelled", "A deploy."));
      return { delayMs: 1_000 };
    });
    expect(await attempt({ request, signal: controller.signal })).toMatchObject({ kind: "cancelled" });
    expect([uploads(request), await notes()]).toEqual([[], 0]);
  });

  test("later, when the store does not answer to that", async () => {
    const request = await leaveUnfinished();
    inject(({ operation }) => (operation === "AbortMultipartUpload" ? serverError : undefined));
    await bench.createWriter().abandon?.(request.deliveryId);
    expect([uploads(request).length, await notes()]).toEqual([1, 1]);
    heal();
    await bench.createWriter().abandon?.(request.deliveryId);
    expect([uploads(request), await notes()]).toEqual([[], 0]);
  });

  test("at once, when it cannot be noted", async () => {
    await mkdir(dirname(bench.folder), { recursive: true });
    await writeFile(bench.folder, "a file where the folder should be");
    const request = newRequest();
    failPart(3, serverError);
    expect(await attempt({ request })).toMatchObject({ kind: "unavailable" });
    expect(uploads(request)).toEqual([]);
  });

  test("when the delivery is abandoned", async () => {
    const request = await leaveUnfinished();
    const writer = bench.createWriter();
    await writer.abandon?.("another delivery");
    expect([uploads(request).length, await notes()]).toEqual([1, 1]);
    await writer.abandon?.(request.deliveryId);
    expect([uploads(request), await notes()]).toEqual([[], 0]);
  });

  test("with a later delivery, when nobody has worked on it for a day", async () => {
    const request = await leaveUnfinished();
    const small = { request: { ...newRequest(), target: "small.txt" }, bytes: Buffer.from("x") };
    await attempt(small);
    expect([uploads(request).length, await notes()]).toEqual([1, 1]);
    const yesterday = new Date(Date.now() - 25 * 60 * 60_000);
    for (const name of await readdir(bench.folder)) {
      await utimes(join(bench.folder, name), yesterday, yesterday);
    }
    await bench.store.client.send(new CreateBucketCommand({ Bucket: "elsewhere" }));
    await attempt({ ...small, options: { bucket: "elsewhere" } });
    expect([uploads(request).length, await notes()]).toEqual([1, 1]);
    await attempt(small);
    expect([uploads(request), await notes()]).toEqual([[], 0]);
  });
});

describe.each(["replace", "fail", "skip-identical", "keep-both"])(
  "%s: what an attempt delivered that nobody heard of is not sent again",
  (conflict) => {
    test.each([10, content.length])("%i bytes", async (length) => {
      const options = { conflict };
      const request = { ...newRequest(), target: `known-${conflict}-${length}.bin` };
      const bytes = content.subarray(0, length);
      expect(await attempt({ request, bytes, options })).toMatchObject({ outcome: "delivered" });
      heal();
      const repeat = { ...request, begun: 2 };
      const outcome = await attempt({ request: repeat, bytes, options });
      const operations = bench.requests.map(({ operation }) => operation);
      expect(operations).toEqual(["HeadObject"]);
      await expectDelivered(repeat, outcome, bytes);
    });
  },
);

test.each(["fail", "keep-both"])(
  "%s: what its own first request has delivered is not taken for another's while the store cannot tell",
  async (conflict) => {
    const options = { conflict };
    const request = { ...newRequest(), target: `own-${conflict}.bin` };
    const bytes = content.subarray(0, 10);
    let sent = 0;
    // All tries of one look.
    let failures = 3;
    heal();
    inject(({ operation }) => {
      if (operation === "PutObject") return sent++ === 0 ? { drop: "after" } : undefined;
      return operation === "HeadObject" && sent > 0 && failures-- > 0 ? serverError : undefined;
    });
    expect(await attempt({ request, bytes, options })).toMatchObject({ kind: "unavailable" });
    heal();
    const repeat = { ...request, begun: 2 };
    await expectDelivered(repeat, await attempt({ request: repeat, bytes, options }), bytes);
    expect(await bench.store.read(`own-${conflict}-1.bin`)).toBeUndefined();
  },
);

describe("a request that fails of something that passes is sent again by itself", () => {
  const failTimes = (times: number, fault: S3Injection) => {
    heal();
    let left = times;
    inject(({ query }) => (query.get("partNumber") === "2" && left-- > 0 ? fault : undefined));
  };

  test.each<[string, S3Injection]>([
    ["a server error", serverError],
    ["a lost connection", { drop: "before" }],
    ["a lost answer", { drop: "after" }],
    ["a connection that is lost in the middle", { dropAfterBytes: smallPartBytes / 2 }],
  ])("twice at most, which the receipt tells: %s", async (_, fault) => {
    failTimes(2, fault);
    const request = newRequest();
    const receipt = (await attempt({ request })) as Receipt;
    await expectDelivered(request, receipt);
    expect(receipt.notes).toEqual([expect.stringMatching(/^2 requests were sent again, .*the S3 server/i)]);
    expect(sentParts()).toEqual([1, 2, 2, 2, 3, 4]);
    failTimes(3, fault);
    expect(await attempt({ request: newRequest() })).toMatchObject({ kind: "unavailable" });
  });

  test("but not when the server asks for more patience than a moment", async () => {
    failTimes(1, { answer: { status: 503, code: "SlowDown", headers: { "retry-after": "60" } } });
    expect(await attempt({ request: newRequest() })).toMatchObject({
      kind: "throttled",
      retryAfterMs: 60_000,
    });
    expect(sentParts().filter((n) => n === 2)).toHaveLength(1);
  });

  test("nor what another try cannot mend", async () => {
    failTimes(1, { answer: { status: 403, code: "AccessDenied" } });
    expect(await attempt({ request: newRequest() })).toMatchObject({ kind: "denied" });
    expect(sentParts().filter((n) => n === 2)).toHaveLength(1);
  });
});
