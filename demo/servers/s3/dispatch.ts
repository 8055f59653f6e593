import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { createRequestIds, errorAnswer, injectedAnswer, type RequestIds, sendAnswer } from "./answer";
import { assumeRole } from "./assume-role";
import * as buckets from "./buckets";
import { completeUpload } from "./complete-upload";
import { S3Error } from "./errors";
import { type Answer, type Handler, readBody, type ServerState } from "./exchange";
import type { S3Injection } from "./hook";
import { listObjects, listObjectsV2 } from "./listing";
import * as multipart from "./multipart";
import * as objects from "./objects";
import { locate, operationOf, type S3Operation, type S3RequestInfo } from "./operations";
import { verifySignature } from "./signature";

const handlers: Readonly<Record<Exclude<S3Operation, "AssumeRole">, Handler>> = {
  ListBuckets: buckets.listBuckets,
  CreateBucket: buckets.createBucket,
  HeadBucket: buckets.headBucket,
  DeleteBucket: buckets.deleteBucket,
  GetBucketLocation: buckets.getBucketLocation,
  GetBucketLifecycleConfiguration: buckets.getLifecycle,
  PutBucketLifecycleConfiguration: buckets.putLifecycle,
  DeleteBucketLifecycle: buckets.deleteLifecycle,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  DeleteObjects: objects.deleteObjects,
  PutObject: objects.putObject,
  GetObject: objects.getObject,
  HeadObject: objects.headObject,
  DeleteObject: objects.deleteObject,
  GetObjectTagging: objects.getObjectTagging,
  PutObjectTagging: objects.putObjectTagging,
  ListMultipartUploads: multipart.listUploads,
  CreateMultipartUpload: multipart.createUpload,
  UploadPart: multipart.uploadPart,
  ListParts: multipart.listParts,
  CompleteMultipartUpload: completeUpload,
  AbortMultipartUpload: multipart.abortUpload,
};

/** Finds out what a request wants. @throws S3Error InvalidURI */
export function describeRequest(request: IncomingMessage, { domain }: ServerState): S3RequestInfo {
  const { method = "GET", headers } = request;
  const [path = "/", search = ""] = (request.url ?? "/").split(/\?(.*)/s, 2);
  const query = new URLSearchParams(search);
  const place = locate(path, headers.host ?? "", domain);
  return { operation: operationOf(method, place, query), method, ...place, query, headers };
}

/** Answers one request, with the faults that were injected into it. */
export async function respond(
  state: ServerState,
  request: IncomingMessage,
  response: ServerResponse,
  inject: (info: S3RequestInfo) => Promise<S3Injection>,
): Promise<void> {
  const ids = createRequestIds();
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  let injection: S3Injection = {};
  let answer: Answer;
  try {
    const info = describeRequest(request, state);
    injection = await inject(info);
    if (injection.delayMs !== undefined) await wait(injection.delayMs);
    if (injection.drop === "before") return void request.socket.destroy();
    answer = injection.answer
      ? injectedAnswer(injection.answer, path, ids)
      : await carryOut(state, info, request, response, injection);
  } catch (error) {
    answer = errorAnswer(error, path, ids);
  }
  if (injection.lastAnswerDelayMs !== undefined) await wait(injection.lastAnswerDelayMs);
  await conclude(request, response, answer, injection, path, ids);
}

async function conclude(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  { drop, lastAnswer }: S3Injection,
  path: string,
  ids: RequestIds,
) {
  const replaced = drop === "after" || lastAnswer !== undefined || request.socket.destroyed;
  if (replaced && answer.body instanceof Readable) answer.body.destroy();
  if (drop === "after" || request.socket.destroyed) return void request.socket.destroy();
  await sendAnswer(request, response, lastAnswer ? injectedAnswer(lastAnswer, path, ids) : answer, ids);
}

async function carryOut(
  state: ServerState,
  info: S3RequestInfo,
  request: IncomingMessage,
  response: ServerResponse,
  injection: S3Injection,
): Promise<Answer> {
  const { credentials, region } = state;
  const body = () => readBody(request, response, injection);
  if (info.operation === "AssumeRole") {
    // The token service's signature covers a body that only the body itself tells.
    const form = await readForm(body());
    const payload = createHash("sha256").update(form).digest("hex");
    verifySignature(request, info.query, { credentials, region: undefined, service: "sts", payload });
    return assumeRole(state, new URLSearchParams(form));
  }
  const signature = verifySignature(request, info.query, { credentials, region, service: "s3" });
  if (info.operation === "Unknown") throw new S3Error("NotImplemented");
  const header = (name: string) => request.headersDistinct[name]?.join(", ");
  const answer = await handlers[info.operation]({ ...state, info, signature, header, body });
  if (!["GET", "HEAD"].includes(info.method)) state.save?.();
  return answer;
}

async function readForm(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > 64 * 1024) throw new S3Error("EntityTooLarge");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
