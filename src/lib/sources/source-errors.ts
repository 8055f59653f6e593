import { classifyCommonError, codeOf, DeliveryError, type ErrorKind } from "../errors";

type Rule = readonly [kind: ErrorKind, advice: string];

const fileRules: Record<string, Rule> = {
  ENOENT: ["missing", "does not exist. Check the path, or create the file."],
  ENOTDIR: ["missing", "does not exist: a part of its path is a file, not a folder."],
  EACCES: ["denied", "may not be read. Give the user that runs this process the right to read it."],
  EPERM: ["denied", "may not be read: the system does not permit it."],
  EISDIR: ["invalid", "is a folder. Name a file."],
  ELOOP: ["invalid", "cannot be found: its links lead in a circle."],
  ENAMETOOLONG: ["invalid", "cannot be found: its name is too long."],
  ERR_INVALID_ARG_VALUE: ["invalid", "cannot be found: its path holds a character that no path can hold."],
  EBUSY: ["unavailable", "is in use by another program."],
  EAGAIN: ["unavailable", "cannot be read at the moment."],
  ESTALE: ["unavailable", "cannot be read: the network drive has lost it."],
  EIO: ["unavailable", "cannot be read: the disk or network drive reports an error."],
};

/** ERRORS of the file system, for a file that is a source. */
export function classifyFileError(error: unknown, path: string): DeliveryError {
  const code = codeOf(error);
  const rule = code !== undefined && Object.hasOwn(fileRules, code) ? fileRules[code] : undefined;
  if (rule) {
    return new DeliveryError(rule[0], `The source file ${path} ${rule[1]}`, { code, cause: error });
  }
  return (
    classifyCommonError(error, `the source file ${path}`) ??
    new DeliveryError("unavailable", `The source file ${path} cannot be read${inBrackets(code)}.`, {
      code,
      cause: error,
    })
  );
}

/** Any failure of a stream that somebody else made, which may well read a file or a network. */
export function classifyStreamError(error: unknown, what: string): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const code = codeOf(error);
  const rule = code !== undefined && Object.hasOwn(fileRules, code) ? fileRules[code] : undefined;
  const kind = rule?.[0] ?? classifyCommonError(error, what)?.kind ?? "unavailable";
  // An abort that nobody here asked for is a failure like any other.
  return new DeliveryError(
    kind === "cancelled" ? "unavailable" : kind,
    `Reading ${what} failed: ${sentenceOf(error)}`,
    { code, cause: error },
  );
}

/**
 * A failure inside the code of a function source: `invalid`, for it is the code that must change, unless
 * a network, disk or time-out fault shows through.
 */
export function classifyFunctionError(error: unknown, what: string): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { code, kind } = transient(error) ?? { code: codeOf(error), kind: "invalid" as const };
  return new DeliveryError(kind, `${what} failed: ${sentenceOf(error)}`, {
    code,
    cause: error,
  });
}

function transient(error: unknown): { code: string | undefined; kind: ErrorKind } | undefined {
  const name = error instanceof Error ? error.name : "";
  if (name === "TimeoutError" || name === "AbortError") return { code: "ETIMEDOUT", kind: "unavailable" };
  const code = codeOf(error);
  if (code?.startsWith("UND_ERR_")) return { code, kind: "unavailable" };
  const kind = classifyCommonError(error, "")?.kind;
  if (kind) return { code, kind };
  // `fetch` says only "fetch failed"; why is in the cause.
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? undefined : transient(cause);
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return `${withoutLogins(String(error))}.`;
  const { message, cause } = error;
  const reason = cause instanceof Error && !message.includes(cause.message) ? ` (${cause.message})` : "";
  const text = withoutLogins(`${message || error.name}${reason}`);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** `fetch` quotes an address whole, with the user and the password in it. */
function withoutLogins(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/?#]*@/gi, "$1***@");
}

/** Failures of the spool are failures of this machine. */
export function classifySpoolError(error: unknown, doing: string): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const common = classifyCommonError(error, "the spool");
  if (common?.kind === "local") return common;
  const code = codeOf(error);
  return new DeliveryError(
    "local",
    `The spool cannot ${doing}${inBrackets(code)}. Look after its folder: its disk, its owner and its rights.`,
    { code, cause: error },
  );
}

export function cancelled(reason?: unknown): DeliveryError {
  if (reason instanceof DeliveryError) return reason;
  return new DeliveryError("cancelled", "The reading of the source was interrupted.");
}

export function tooLarge(maxBytes: number): DeliveryError {
  return new DeliveryError(
    "rejected",
    `The content is larger than the ${maxBytes} bytes allowed. Raise the limit, or deliver less.`,
    { code: "EFBIG" },
  );
}

export function alreadyRead(): DeliveryError {
  return new DeliveryError(
    "invalid",
    "The content's stream has been read already. Make a new one each time.",
  );
}

function inBrackets(code: string | undefined): string {
  return code === undefined ? "" : ` (${code})`;
}
