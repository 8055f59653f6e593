import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import type { S3Hook, S3Injection } from "../../../demo/servers/s3/hook";
import type { S3RequestInfo } from "../../../demo/servers/s3/operations";
import type { DeliveryError } from "../../../src/lib/errors";
import type { Receipt, WriteRequest, Writer } from "../../../src/lib/types";
import {
  createS3Writer,
  createUnfinishedUploads,
  readS3WriterOptions,
  type UnfinishedUploads,
} from "../../../src/lib/writers/s3";
import { type SourceBehaviour, sha256Of, testSource } from "../../support/sources";
import { attemptContext, writeRequest } from "./s3-requests";
import { bucket, startStore, type TestStore } from "./s3-store";

/** Smaller than Amazon takes them: it is their number that counts. */
export const smallPartBytes = 1024 * 1024;
/** Four parts. */
export const content = randomBytes(3 * smallPartBytes + 1);
export const serverError: S3Injection = { answer: { status: 500, code: "InternalError" } };

export interface TestAttempt {
  request: WriteRequest;
  /** Default: `content`. */
  bytes?: Buffer;
  source?: SourceBehaviour;
  options?: TestOptions;
  connection?: object;
  signal?: AbortSignal;
}

/** Of the writer, whose parts may be as small as the test likes. */
interface TestOptions {
  partBytes?: number;
  [name: string]: unknown;
}

export interface ResumeBench {
  readonly store: TestStore;
  /** Of the test that runs. */
  readonly unfinished: UnfinishedUploads;
  /** Where `unfinished` keeps its notes. */
  readonly folder: string;
  /** Since the test's start, or the last `heal`. */
  readonly requests: S3RequestInfo[];
  newRequest(): WriteRequest;
  inject(fault: S3Hook): void;
  heal(): void;
  createWriter(options?: TestOptions, connection?: object): Writer;
  attempt(attempt: TestAttempt): Promise<Receipt | DeliveryError>;
  /** An attempt that fails at its third part when the first two are there. */
  leaveUnfinished(changes?: Partial<TestAttempt>): Promise<WriteRequest>;
  /** Ids of the uploads of the request's key. */
  uploads(request: WriteRequest): string[];
  /** How many parts the uploads of the request's key have. */
  storedParts(request: WriteRequest): number;
  /** Numbers of the parts that were sent, in order. */
  sentParts(): number[];
  /** How many notes there are. */
  notes(): Promise<number>;
  expectDelivered(request: WriteRequest, outcome: unknown, bytes?: Buffer): Promise<void>;
}

/** A store, and notes of unfinished uploads, for the tests of one file. */
export function useResumeBench(): ResumeBench {
  let store: TestStore;
  let root: string;
  let unfinished: UnfinishedUploads;
  let requests: S3RequestInfo[] = [];
  let count = 0;

  beforeAll(async () => {
    store = await startStore({ minPartBytes: 1 });
    await store.client.send(new CreateBucketCommand({ Bucket: bucket }));
    root = await mkdtemp(join(tmpdir(), "s3-resume-"));
  });
  afterAll(async () => {
    await store.close();
    await rm(root, { recursive: true });
  });
  beforeEach(() => {
    count++;
    unfinished = createUnfinishedUploads({ folder: bench.folder });
    bench.heal();
  });

  const uploadsOf = ({ target }: WriteRequest) =>
    [...(store.server.buckets.get(bucket)?.uploads.values() ?? [])].filter(({ key }) => key === target);

  const bench: ResumeBench = {
    get store() {
      return store;
    },
    get unfinished() {
      return unfinished;
    },
    get folder() {
      return join(root, `${count}`);
    },
    get requests() {
      return requests;
    },
    newRequest: () => writeRequest(`object-${count}.bin`),
    inject(fault) {
      store.onRequest = (request) => {
        requests.push(request);
        return fault(request);
      };
    },
    heal() {
      requests = [];
      bench.inject(() => undefined);
    },
    createWriter: ({ partBytes = smallPartBytes, ...options } = {}, connection) =>
      createS3Writer(
        store.connect(connection),
        { ...readS3WriterOptions({ bucket, ...options }), partSizeBytes: partBytes },
        { unfinished },
      ),
    attempt: ({ request, bytes = content, source, options, connection, signal }) =>
      bench
        .createWriter(options, connection)
        .write(testSource(bytes, source), request, attemptContext(signal))
        .catch((error: DeliveryError) => error),
    async leaveUnfinished(changes) {
      const request = bench.newRequest();
      bench.inject(async ({ query }) => {
        if (query.get("partNumber") !== "3") return undefined;
        while (bench.storedParts(request) < 2) await sleep(5);
        return serverError;
      });
      expect(await bench.attempt({ request, ...changes })).toMatchObject({ kind: "unavailable" });
      bench.heal();
      expect([bench.uploads(request).length, await bench.notes()]).toEqual([1, 1]);
      return { ...request, begun: 2 };
    },
    uploads: (request) => uploadsOf(request).map(({ id }) => id),
    storedParts: (request) => uploadsOf(request).reduce((sum, { parts }) => sum + parts.size, 0),
    sentParts: () =>
      requests
        .filter(({ operation }) => operation === "UploadPart")
        .map(({ query }) => Number(query.get("partNumber")))
        .sort((a, b) => a - b),
    notes: async () => (await readdir(bench.folder).catch(() => [])).length,
    async expectDelivered(request, outcome, bytes = content) {
      expect(outcome).toMatchObject({ outcome: "delivered", bytes: bytes.length, sha256: sha256Of(bytes) });
      const object = store.server.buckets.get(bucket)?.objects.get(request.target);
      expect(object?.settings.metadata).toMatchObject({ "delivery-id": request.deliveryId });
      expect((await store.read(request.target))?.equals(bytes)).toBe(true);
      expect([bench.uploads(request), await bench.notes()]).toEqual([[], 0]);
    },
  };
  return bench;
}
