import { constants } from "node:os";

/**
 * What went wrong, sorted by what a person does next:
 *
 * - `invalid`: change the settings
 * - `denied`: ask for credentials or permission
 * - `missing`: create the bucket, the folder or the source file
 * - `rejected`: change the content or its name; the other side refused it
 * - `unavailable`: wait; a network fault, a time-out, a busy server
 * - `throttled`: wait longer and send less at once
 * - `changed`: the source changed while it was being delivered; start over
 * - `local`: look after this machine's disk, descriptors or store
 * - `cancelled`: nothing; a redeploy or a shutdown interrupted the work
 * - `internal`: report a bug
 */
export type ErrorKind =
  | "invalid"
  | "denied"
  | "missing"
  | "rejected"
  | "unavailable"
  | "throttled"
  | "changed"
  | "local"
  | "cancelled"
  | "internal";

export const errorKinds: readonly ErrorKind[] = [
  "invalid",
  "denied",
  "missing",
  "rejected",
  "unavailable",
  "throttled",
  "changed",
  "local",
  "cancelled",
  "internal",
];

/** The kinds of failures that are not the delivery's, nor its target's: a policy does not count them. */
export const uncountedKinds: readonly ErrorKind[] = ["local", "cancelled"];

/** The kinds that another try can cure without anybody doing anything. */
export const retryableKinds: readonly ErrorKind[] = [
  "unavailable",
  "throttled",
  "changed",
  "local",
  "cancelled",
];

export interface DeliveryErrorDetails {
  /** The protocol's own word: `NoSuchBucket`, `550`, `ECONNRESET`. */
  code?: string | undefined;
  /** How long the other side asked us to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The number of attempts after which another try of this error is pointless. */
  maxAttempts?: number | undefined;
  recipients?: SettledRecipients | undefined;
  cause?: unknown;
}

/** Of a notification that has not reached everybody yet: whom its next attempt leaves out. */
export interface SettledRecipients {
  /** The addresses of those who have it. */
  told: string[];
  /** Who was refused for good. */
  refused: RefusedRecipient[];
}

export interface RefusedRecipient {
  address: string;
  /** What the other side said, fit to be shown. */
  reply: string;
  code: number;
}

/**
 * The only error that leaves the library. Its message is a sentence that an operator can act on, and
 * never holds a secret: nothing of `cause` but its name, message and stack is ever written anywhere.
 */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly kind: ErrorKind;
  readonly code: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly maxAttempts: number | undefined;
  readonly recipients: SettledRecipients | undefined;

  constructor(kind: ErrorKind, message: string, details: DeliveryErrorDetails = {}) {
    super(message);
    this.kind = kind;
    this.code = details.code;
    this.retryAfterMs = details.retryAfterMs;
    this.maxAttempts = details.maxAttempts;
    this.recipients = details.recipients;
    if (details.cause !== undefined) {
      // Not enumerable: causes carry request headers and bodies, which a serialiser must not find.
      Object.defineProperty(this, "cause", { value: details.cause, enumerable: false });
    }
  }

  get retryable(): boolean {
    return retryableKinds.includes(this.kind);
  }
}

/** The same error in other words, which say more of where it leaves things. */
export function reworded(error: DeliveryError, message: string): DeliveryError {
  return new DeliveryError(error.kind, message, error);
}

/** A `DeliveryError` as plain data, for the store and for `msg.error`. */
export interface ErrorRecord {
  kind: ErrorKind;
  message: string;
  code?: string;
  retryable: boolean;
  retryAfterMs?: number;
  maxAttempts?: number;
  recipients?: SettledRecipients;
  stack?: string;
}

export function toErrorRecord(error: DeliveryError): ErrorRecord {
  return {
    kind: error.kind,
    message: error.message,
    retryable: error.retryable,
    ...(error.code !== undefined && { code: error.code }),
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    ...(error.maxAttempts !== undefined && { maxAttempts: error.maxAttempts }),
    ...(error.recipients !== undefined && { recipients: error.recipients }),
    ...(error.stack !== undefined && { stack: error.stack }),
  };
}

/** Errors of our own machine: they pause a delivery and never count against it. */
const localCodes = new Set(["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EROFS"]);

/** Network faults that a new connection may cure, in every protocol. */
const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ESOCKETTIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EAI_AGAIN",
  "ENOTFOUND",
]);

const tlsCodePattern =
  /^(CERT_|ERR_TLS_|ERR_SSL_|EPROTO$|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_MISMATCH|ERR_OSSL_)/;

/**
 * Classifies what every protocol has in common: our own disk, the network, TLS, an abort.
 * `where` names the other side in the sentence, for example `the FTP server ftp.example.com:21`.
 * Returns undefined where the protocol's own table must decide.
 */
export function classifyCommonError(error: unknown, where: string): DeliveryError | undefined {
  if (error instanceof DeliveryError) return error;
  const code = codeOf(error);
  if (isAbortError(error)) return interrupted(error);
  if (code === undefined) return undefined;
  if (localCodes.has(code)) {
    return new DeliveryError("local", `This machine cannot go on (${code}): ${localAdvice(code)}`, {
      code,
      cause: error,
    });
  }
  if (networkCodes.has(code)) {
    return new DeliveryError("unavailable", `Cannot reach ${where}: ${networkSentence(code)}`, {
      code,
      cause: error,
    });
  }
  if (tlsCodePattern.test(code)) {
    return new DeliveryError(
      "invalid",
      `The TLS connection to ${where} was refused (${code}): ${tlsAdvice(code)}`,
      { code, cause: error },
    );
  }
  return undefined;
}

/** The code of what interrupts a delivery that another process may have begun with. */
export const takenOverCode = "TAKEN_OVER";

export function interrupted(cause?: unknown): DeliveryError {
  return new DeliveryError("cancelled", "The delivery was interrupted.", { cause });
}

export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string" && typeof code !== "number") return undefined;
  const unnamed = /^Unknown system error -(\d+)$/.exec(String(code))?.[1];
  return unnamed === undefined ? String(code) : (nameOfErrno(Number(unnamed)) ?? String(code));
}

/** Node.js has no name of its own for some codes of the system, such as EDQUOT and ESTALE. */
function nameOfErrno(number: number): string | undefined {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0];
}

export function isAbortError(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || codeOf(error) === "ABORT_ERR");
}

function localAdvice(code: string): string {
  if (code === "EMFILE" || code === "ENFILE") return "too many files are open. Raise the limit (ulimit -n).";
  if (code === "EROFS") return "the disk is read-only.";
  return "the disk is full. Free some space; deliveries go on by themselves.";
}

function networkSentence(code: string): string {
  const sentences: Record<string, string> = {
    ECONNREFUSED:
      "nothing answers at that address and port (ECONNREFUSED). Check both, and that it is running.",
    ENOTFOUND: "the host name is not known (ENOTFOUND). Check its spelling and the DNS.",
    EAI_AGAIN: "the DNS does not answer (EAI_AGAIN).",
    ETIMEDOUT: "it did not answer in time (ETIMEDOUT). Check the address and the firewall.",
    ECONNRESET: "it closed the connection (ECONNRESET).",
    EPIPE: "it closed the connection (EPIPE).",
  };
  return sentences[code] ?? `the network failed (${code}).`;
}

function tlsAdvice(code: string): string {
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired.";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "its certificate is for another host name.";
  if (/SELF_SIGNED|DEPTH_ZERO|UNABLE_TO/.test(code)) {
    return "its certificate is not signed by a known authority. Add the authority (CA) to the connection.";
  }
  return "check the port, and whether it expects TLS at all.";
}
