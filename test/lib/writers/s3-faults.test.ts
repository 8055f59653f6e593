import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { InjectedAnswer, S3Injection } from "../../../demo/servers/s3/hook";
import type { S3RequestInfo } from "../../../demo/servers/s3/operations";
import { DeliveryError } from "../../../src/lib/errors";
import type { Receipt } from "../../../src/lib/types";
import { startFaultProxy } from "../../support/fault-proxy";
import { testSource } from "../../support/sources";
import { attemptContext, writeRequest } from "./s3-requests";
import { bucket, partSizeBytes, startStore, type TestStore } from "./s3-store";

const small = Buffer.from("customer;city\n");
const big = randomBytes(2 * partSizeBytes + 1);
const secret = "canary-s3-secret-access-key";
let store: TestStore;
let count = 0;

beforeAll(async () => {
  store = await startStore({ secretAccessKey: secret });
  await store.client.send(new CreateBucketCommand({ Bucket: bucket }));
});
afterAll(() => store.close());
beforeEach(() => {
  store.onRequest = () => undefined;
});

interface Tried {
  key: string;
  outcome: Receipt | DeliveryError;
}

/** Writes to a key of its own. Whatever comes of it, nothing is left half done. */
async function write(content: Buffer, options: object = {}, key = `fault-${++count}.bin`): Promise<Tried> {
  const writer = store.createWriter(options);
  const outcome = await writer
    .write(testSource(content), writeRequest(key), attemptContext())
    .catch((error: unknown) => {
      expect(error).toBeInstanceOf(DeliveryError);
      return error as DeliveryError;
    });
  store.onRequest = () => undefined;
  expect((await store.list()).filter((name) => name.startsWith("upload:"))).toEqual([]);
  return { key, outcome };
}

/** Faults for requests that publish: the PUT of a whole object, or the completion of its parts. */
const isPublishing = ({ operation }: S3RequestInfo) =>
  operation === "PutObject" || operation === "CompleteMultipartUpload";
const on = (operation: S3RequestInfo["operation"], fault: S3Injection) => (request: S3RequestInfo) =>
  request.operation === operation ? fault : undefined;
const onPublishing = (fault: S3Injection) => (request: S3RequestInfo) =>
  isPublishing(request) ? fault : undefined;
const onceOnPublishing = (fault: S3Injection) => {
  let done = false;
  return (request: S3RequestInfo) => {
    if (done || !isPublishing(request)) return undefined;
    done = true;
    return fault;
  };
};

describe.each([
  ["in one request", small],
  ["in parts", big],
])("the answer that publishes is spoilt, %s", (_, content) => {
  const spoilt: [string, InjectedAnswer | "drop"][] = [
    ["lost", "drop"],
    ["500", { status: 500, code: "InternalError" }],
    ["502 in HTML", { status: 502, body: "<html><body>Bad gateway</body></html>" }],
    ["200 with an error", { status: 200, code: "InternalError" }],
    ["200 with an error and a newline", { status: 200, body: "<Error><Code>InternalError</Code></Error>\n" }],
    ["200 with HTML", { status: 200, body: "<html><body>Welcome to the hotel</body></html>" }],
    ["200 with nothing", { status: 200, body: "" }],
  ];
  const afterTheWork = (spoilt: InjectedAnswer | "drop"): S3Injection =>
    spoilt === "drop" ? { drop: "after" } : { lastAnswer: spoilt };
  const insteadOfIt = (spoilt: InjectedAnswer | "drop"): S3Injection =>
    spoilt === "drop" ? { drop: "before" } : { answer: spoilt };

  test.each(spoilt)("%s, each time, though the work is done: delivered", async (_title, answer) => {
    store.onRequest = onPublishing(afterTheWork(answer));
    const { key, outcome } = await write(content);
    expect(outcome).toMatchObject({ outcome: "delivered", bytes: content.length });
    expect((await store.read(key))?.equals(content)).toBe(true);
  });

  test.each(spoilt)(
    "%s, once, with a name that must be free: delivered, one object",
    async (_title, answer) => {
      for (const conflict of ["fail", "keep-both"]) {
        store.onRequest = onceOnPublishing(afterTheWork(answer));
        const { key, outcome } = await write(content, { conflict });
        expect(outcome).toMatchObject({ outcome: "delivered", location: `s3://${bucket}/${key}` });
        expect((await store.list()).filter((name) => name.startsWith(key.replace(".bin", "")))).toEqual([
          key,
        ]);
      }
    },
  );

  test.each(spoilt)("%s, and nothing was done: unavailable", async (_title, answer) => {
    store.onRequest = onPublishing(insteadOfIt(answer));
    const { key, outcome } = await write(content);
    expect(outcome).toMatchObject({ kind: "unavailable" });
    expect(await store.read(key)).toBeUndefined();
  });

  test("412 by somebody else's object that came in between", async () => {
    const key = `taken-${content.length}.bin`;
    let placed = false;
    store.onRequest = async (request) => {
      // After the writer has looked, before it publishes.
      if (!placed && isPublishing(request)) {
        placed = true;
        await store.put(key, Buffer.from("theirs"));
      }
      return undefined;
    };
    const { outcome } = await write(content, { conflict: "fail" }, key);
    expect(outcome).toMatchObject({ kind: "rejected", code: "PreconditionFailed" });
    expect(await store.read(key)).toEqual(Buffer.from("theirs"));
  });
});

describe.each([
  ["PutObject", small],
  ["CreateMultipartUpload", big],
  ["UploadPart", big],
  ["CompleteMultipartUpload", big],
] as const)("refused at %s", (operation, content) => {
  test.each([
    ["AccessDenied", 403, "denied"],
    ["NoSuchBucket", 404, "missing"],
    ["NotImplemented", 501, "rejected"],
    ["InternalError", 500, "unavailable"],
    ["BadDigest", 400, "unavailable"],
  ])("%s %i → %s", async (code, status, kind) => {
    store.onRequest = on(operation, { answer: { status, code } });
    const { key, outcome } = await write(content);
    expect(outcome).toMatchObject({ kind, code });
    expect(await store.read(key)).toBeUndefined();
  });
});

test.each([
  ["PutObject", small],
  ["UploadPart", big],
] as const)("SlowDown at %s says how long to wait", async (operation, content) => {
  const answer = { status: 503, code: "SlowDown", headers: { "retry-after": "1" } };
  store.onRequest = on(operation, { answer });
  const { outcome } = await write(content);
  expect(outcome).toMatchObject({ kind: "throttled", code: "SlowDown", retryAfterMs: 1000 });
});

test("one busy answer does not end an upload", async () => {
  let busy = true;
  store.onRequest = ({ query }) => {
    if (!busy || query.get("partNumber") !== "2") return undefined;
    busy = false;
    return { answer: { status: 503, code: "SlowDown" } };
  };
  const { key, outcome } = await write(big);
  expect(outcome).toMatchObject({ outcome: "delivered" });
  expect((await store.read(key))?.equals(big)).toBe(true);
});

test.each([
  ["supported", small],
  ["supported", big],
  ["required", small],
  ["required", big],
])("content damaged on its way is refused: checksums when %s", async (checksums, content) => {
  const proxy = await startFaultProxy(store.server.port);
  const mark = content.subarray(0, 12);
  const damage = proxy.inject({ when: { at: "mark", bytes: mark }, do: "corrupt", times: Infinity });
  try {
    const key = `damaged-${++count}.bin`;
    const writer = store.createWriter({}, { endpoint: `http://127.0.0.1:${proxy.port}`, checksums });
    const error = await writer
      .write(testSource(content), writeRequest(key), attemptContext())
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: "unavailable", maxAttempts: 3 });
    expect(damage.strikes).toBeGreaterThan(0);
    expect(await store.list()).not.toContain(key);
  } finally {
    await proxy.stop();
  }
});

test.each([
  ["supported", "x-amz-checksum-crc32", "content-md5"],
  ["required", "content-md5", "x-amz-checksum-crc32"],
])("checksums when %s: %s goes with every byte", async (checksums, sent, notSent) => {
  const uploads: S3RequestInfo[] = [];
  store.onRequest = (request) => {
    if (request.operation === "PutObject" || request.operation === "UploadPart") uploads.push(request);
    return undefined;
  };
  const writer = store.createWriter({}, { checksums });
  for (const content of [small, big]) {
    const receipt = await writer.write(testSource(content), writeRequest("summed.bin"), attemptContext());
    expect(receipt.verified).toBe("checksum");
  }
  expect(uploads).toHaveLength(4);
  for (const { headers } of uploads) {
    expect(headers[sent]).toMatch(/^[\w+/]+=*$/);
    expect(headers[notSent]).toBeUndefined();
    // Older stores answer 411 to anything without it.
    expect(headers["content-length"]).toMatch(/^\d+$/);
    expect(headers["content-encoding"]).toBeUndefined();
  }
});

test("an upload that somebody removed is begun anew by the next attempt", async () => {
  store.onRequest = on("UploadPart", { answer: { status: 404, code: "NoSuchUpload" } });
  expect((await write(big)).outcome).toMatchObject({ kind: "unavailable", code: "NoSuchUpload" });
});

test("the right region is named", async () => {
  const answer = { status: 301, code: "PermanentRedirect", headers: { "x-amz-bucket-region": "eu-west-3" } };
  store.onRequest = on("PutObject", { answer });
  const { outcome } = await write(small);
  expect(outcome).toMatchObject({ kind: "invalid", message: expect.stringContaining("eu-west-3") });
});

describe("keys that may only write", () => {
  const writeOnly = on("HeadObject", { answer: { status: 403, code: "AccessDenied" } });

  test.each([small, big])("deliver, and the receipt says that nobody looked", async (content) => {
    store.onRequest = writeOnly;
    const { outcome } = await write(content);
    expect(outcome).toMatchObject({ outcome: "delivered", verified: "checksum" });
    expect((outcome as Receipt).notes.join()).toContain("could not be looked at");
  });

  test.each([small, big])("overwrite nothing that must stay", async (content) => {
    const { key } = await write(content);
    store.onRequest = writeOnly;
    expect((await write(content, { conflict: "fail" }, key)).outcome).toMatchObject({ kind: "rejected" });
    store.onRequest = writeOnly;
    expect((await write(content, { conflict: "keep-both" }, key)).outcome).toMatchObject({
      location: `s3://${bucket}/${key.replace(".bin", "-1.bin")}`,
    });
  });
});

test("a store without checksums: verified by size", async () => {
  store.onRequest = on("PutObject", { lastAnswer: { status: 200, body: "", headers: { etag: '"opaque"' } } });
  const { outcome } = await write(small);
  expect(outcome).toMatchObject({ outcome: "delivered", verified: "size", etag: "opaque" });
});

test("wrong keys, and what the server says about them: no secret anywhere", async () => {
  for (const [keys, content] of [
    [{ accessKeyId: "AKIAWRONGWRONGWRONG1", secretAccessKey: secret }, small],
    [{ secretAccessKey: `${secret}-wrong` }, small],
    [{ secretAccessKey: `${secret}-wrong` }, big],
  ] as const) {
    const writer = store.createWriter({}, keys);
    const error = await writer
      .write(testSource(content), writeRequest("never.csv"), attemptContext())
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: "denied" });
    expectNoSecret(error as DeliveryError);
  }
  store.onRequest = () => ({
    answer: {
      status: 403,
      body: `<Error><Code>SignatureDoesNotMatch</Code><Message>Key ${secret} is wrong</Message><StringToSign>AWS4-HMAC-SHA256 ${secret}</StringToSign><AWSAccessKeyId>${store.server.accessKeyId}</AWSAccessKeyId></Error>`,
    },
  });
  const { outcome } = await write(small);
  expect(outcome).toMatchObject({ kind: "denied", code: "SignatureDoesNotMatch" });
  expectNoSecret(outcome as DeliveryError);
});

function expectNoSecret(error: DeliveryError): void {
  const shown = [
    error.message,
    error.stack,
    JSON.stringify(error),
    JSON.stringify(error.cause),
    inspect(error, { depth: 10, showHidden: true }),
    inspect(error.cause, { depth: 10, showHidden: true }),
  ].join("\n");
  for (const word of [secret, "AWS4-HMAC", "Signature=", "authorization"]) {
    expect(shown).not.toContain(word);
  }
}
