import type { S3RequestInfo } from "./operations";

/** Says no, or something that is not an answer of S3 at all. */
export interface InjectedAnswer {
  status: number;
  /** Makes S3's XML of it: `<Error><Code>SlowDown</Code>…`, also with status 200. */
  code?: string;
  message?: string;
  /** Sent as it is, instead of the XML. */
  body?: string;
  /** `{ "retry-after": "3" }`; content-type is application/xml unless named here. */
  headers?: Record<string, string>;
}

/** A fault to inject into one request. Without any field the request works as usual. */
export interface S3Injection {
  /** Waits before anything else. */
  delayMs?: number;
  /** Answers this instead of doing the work. */
  answer?: InjectedAnswer;
  /** Does the work, then answers this instead of the result. */
  lastAnswer?: InjectedAnswer;
  /** Does the work and waits before its answer. */
  lastAnswerDelayMs?: number;
  /** Cuts the connection before the work is done, or after it, instead of the answer. */
  drop?: "before" | "after";
  /** Cuts the connection after this many bytes of the request's body. */
  dropAfterBytes?: number;
  /** After this many bytes of the request's body nothing is read any more. */
  stallAfterBytes?: number;
}

/** Called for each request before its signature is looked at. */
export type S3Hook = (request: S3RequestInfo) => S3Injection | undefined | Promise<S3Injection | undefined>;
