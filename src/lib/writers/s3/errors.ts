import { classifyCommonError, codeOf, DeliveryError, isAbortError, reworded } from "../../errors";
import { capitalised } from "../../quotation";
import {
  notAllowed,
  notShown,
  rulesByCode,
  rulesByStatus,
  type S3Rule,
  unknownRule,
  unsupported,
} from "./error-rules";
import type { S3ConnectionOptions } from "./options";

/** What was being asked of the store when it went wrong. */
export type S3Step = "store" | "look" | "read" | "remove" | "create" | "lifecycle" | "link";

export interface S3ErrorPlace {
  /** `the S3 server https://s3.example.com (region us-east-1)`. */
  where: string;
  step: S3Step;
  bucket?: string | undefined;
  key?: string | undefined;
  region?: string | undefined;
  authentication?: S3ConnectionOptions["authentication"];
  /** The bucket is a part of the host name. */
  virtualHost?: boolean;
  /** Requests go through the proxies of the environment, except to hosts that it names. */
  proxied?: boolean;
  /** Never repeated, even when the server does. */
  secrets?: readonly string[];
}

/** The parts of an SDK error that are looked at. Others hold the whole exchange, with its signatures. */
interface SdkError {
  name: string;
  message: string;
  code: string | undefined;
  status: number | undefined;
  requestId: string | undefined;
  region: string | undefined;
  retryAfterMs: number | undefined;
  answered: boolean;
}

/**
 * Any failure of a request as a `DeliveryError`: ERRORS.md's table for the codes of AWS's "Error
 * responses" page. Whether the work may have been done nevertheless is the caller's to find out.
 */
export function classifyS3Error(error: unknown, place: S3ErrorPlace): DeliveryError {
  if (error instanceof DeliveryError) return error;
  if (isAbortError(error)) return interrupted();
  const facts = readSdkError(error, place.secrets ?? []);
  if (ruleOf(facts) !== undefined || facts.status !== undefined) return refusal(error, facts, place);
  return loss(error, facts, place);
}

export function interrupted(): DeliveryError {
  return new DeliveryError("cancelled", "The delivery was interrupted.");
}

/** The HTTP status of an SDK error, if there was an answer at all. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = (error ?? {}) as {
    $metadata?: { httpStatusCode?: unknown };
    $response?: { statusCode?: unknown };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  return typeof status === "number" ? status : undefined;
}

/** An error without anything in it that could be a secret. */
function harmlessCause(error: unknown, facts: SdkError): Error {
  const frames = error instanceof Error ? (error.stack ?? "").split("\n").filter(isFrame) : [];
  const cause = new Error(facts.message);
  cause.name = facts.name;
  cause.stack = [`${facts.name}: ${facts.message}`, ...frames].join("\n");
  return Object.assign(
    cause,
    facts.code !== undefined && { code: facts.code },
    facts.status !== undefined && { status: facts.status },
    facts.requestId !== undefined && { requestId: facts.requestId },
  );
}

function isFrame(line: string): boolean {
  return /^\s+at /.test(line);
}

function refusal(error: unknown, facts: SdkError, place: S3ErrorPlace): DeliveryError {
  // What the SDK calls an answer that names no error of S3, such as a proxy's web page.
  const named = !["Unknown", "UnknownError", "Error"].includes(facts.name);
  const code = named ? facts.name : String(facts.status);
  const details = { code, retryAfterMs: facts.retryAfterMs, cause: harmlessCause(error, facts) };
  const rule = findRule(facts, place);
  const rightPlace = rule.kind === "invalid" ? elsewhere(facts, place) : undefined;
  if (rightPlace) return new DeliveryError("invalid", rightPlace, details);
  const said =
    named && facts.message !== "" ? `${facts.message.replace(/\.$/, "")} (${code})` : `HTTP ${facts.status}`;
  const sentence = `${capitalised(place.where)} ${refused(place)}: ${said}. ${rule.advice}`;
  return new DeliveryError(rule.kind, sentence, {
    ...details,
    retryAfterMs: facts.retryAfterMs ?? rule.retryAfterMs,
    maxAttempts: rule.maxAttempts,
  });
}

function findRule(facts: SdkError, place: S3ErrorPlace): S3Rule {
  const rule = ruleOf(facts) ?? rulesByStatus[facts.status ?? 0] ?? unknownRule;
  // Keys that a person typed are not fetched anew by themselves.
  if (/^Expired|^TokenRefresh/.test(facts.name) && place.authentication === "keys") {
    return { kind: "denied", advice: "The keys are temporary and have expired. Enter new ones." };
  }
  if (rule.kind === "rejected" && /checksum|aws-chunked|trailer/i.test(facts.message)) return unsupported;
  // An answer without a body does not tell wrong keys from missing rights.
  if (rule === notAllowed && (place.step === "look" || place.step === "read")) return notShown;
  return rule;
}

function ruleOf({ name }: SdkError): S3Rule | undefined {
  // A server may call its error "constructor".
  return Object.hasOwn(rulesByCode, name) ? rulesByCode[name] : undefined;
}

/** The sentence for a bucket that is in another region, where the store says in which. */
function elsewhere({ region }: SdkError, { bucket, region: ours, where }: S3ErrorPlace): string | undefined {
  if (region === undefined || region === ours) return undefined;
  return `The bucket ${bucket} is in the region ${region}, but ${where} was asked. Set the connection's region to ${region}.`;
}

function refused({ step, bucket, key }: S3ErrorPlace): string {
  const object = key === undefined ? `the bucket ${bucket}` : `s3://${bucket}/${key}`;
  const sentences: Record<S3Step, string> = {
    store: `did not store ${object}`,
    look: `did not tell about ${object}`,
    read: `did not give ${object}`,
    remove: `did not remove ${object}`,
    create: `did not create the bucket ${bucket}`,
    lifecycle: `did not take the lifecycle rule of the bucket ${bucket}`,
    link: `gets no link to ${object}`,
  };
  return sentences[step];
}

function loss(error: unknown, facts: SdkError, place: S3ErrorPlace): DeliveryError {
  const cause = harmlessCause(error, facts);
  const common = classifyCommonError(cause, place.where);
  if (common) return withHint(common, place);
  const where = capitalised(place.where);
  if (facts.code?.startsWith("HPE_")) {
    const sentence = `${where} does not speak HTTP there (${facts.code}). Check the port of the address, and whether it is https.`;
    return new DeliveryError("unavailable", sentence, { code: facts.code, cause });
  }
  if (facts.name === "TimeoutError") {
    const sentence = `${where} did not answer in time. Check the address and the firewall.`;
    return new DeliveryError("unavailable", sentence, { code: "ETIMEDOUT", cause });
  }
  if (facts.name === "EndpointError") {
    return new DeliveryError(
      "invalid",
      `There is no S3 endpoint for these settings: ${facts.message} Correct the region or the address.`,
      { code: facts.name, cause },
    );
  }
  const bug = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  if (bug && !facts.answered) {
    return new DeliveryError("internal", `The upload failed within the package: ${facts.message}`, { cause });
  }
  return new DeliveryError("unavailable", `${where} ${refused(place)}: ${facts.message}`, {
    code: facts.code ?? facts.name,
    cause,
  });
}

function withHint(error: DeliveryError, place: S3ErrorPlace): DeliveryError {
  const hint = hintAt(error, place);
  return hint === undefined ? error : reworded(error, `${error.message} ${hint}`);
}

function hintAt({ kind, code }: DeliveryError, { virtualHost, proxied }: S3ErrorPlace): string | undefined {
  if (virtualHost && (code === "ENOTFOUND" || code === "ERR_TLS_CERT_ALTNAME_INVALID")) {
    return "The bucket's name is a part of the host name here; path style avoids that.";
  }
  if (!proxied || kind !== "unavailable") return undefined;
  return "If a proxy leads there (HTTPS_PROXY, HTTP_PROXY), it may be the one that is meant.";
}

function readSdkError(error: unknown, secrets: readonly string[]): SdkError {
  const raw = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown> & {
    $metadata?: { requestId?: unknown };
    $response?: { headers?: Record<string, unknown> };
  };
  const headers = raw.$response?.headers ?? {};
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  return {
    name: scrub(text(raw.name) ?? "Error", secrets),
    message: scrub(text(raw.message) ?? (typeof error === "string" ? error : "no reason given"), secrets),
    code: codeOf(error) === undefined ? undefined : scrub(String(codeOf(error)), secrets),
    status: statusOf(error),
    requestId: text(raw.$metadata?.requestId),
    region: regionName(text(headers["x-amz-bucket-region"]) ?? text(raw.Region)),
    retryAfterMs: readRetryAfter(text(headers["retry-after"]), text(headers["x-amz-retry-after"])),
    answered: raw.$response !== undefined,
  };
}

function regionName(text: string | undefined): string | undefined {
  return text !== undefined && /^[A-Za-z0-9-]{1,64}$/.test(text) ? text : undefined;
}

/** RFC 9110 §10.2.3: seconds or a date. The other header counts in milliseconds. */
function readRetryAfter(header: string | undefined, milliseconds: string | undefined): number | undefined {
  if (milliseconds !== undefined && /^\d+$/.test(milliseconds)) return Number(milliseconds);
  if (header === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(header)) return Math.round(Number(header) * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

const longestQuote = 300;

/** The first line of what a server said, without what must not be shown. */
function scrub(text: string, secrets: readonly string[]): string {
  let line = (text.trim().split(/[\r\n]/)[0] ?? "").trim();
  for (const secret of secrets) if (secret !== "") line = line.split(secret).join("***");
  line = line.replace(
    /\b(X-Amz-)?(Signature|Credential|Security-Token|StringToSign)\s*[=:]\s*\S+/gi,
    "$1$2=***",
  );
  line = line.replace(/\b(AKIA|ASIA)[A-Z0-9]{12,}\b/g, "***");
  return line.length > longestQuote ? `${line.slice(0, longestQuote)}…` : line;
}
