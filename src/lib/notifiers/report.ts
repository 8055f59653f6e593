import type { ErrorKind } from "../errors";
import { renderTemplate, type TemplateView } from "../templates";
import type { Verified } from "../types";

/** What `msg.delivery` is expected to hold; anything may be missing, as the flow can change it. */
interface KnownDelivery {
  id?: string;
  state?: string;
  writer?: { id?: string; type?: string; name?: string };
  target?: string;
  location?: string;
  bytes?: number;
  verified?: string;
  urlExpiresAt?: string;
  finishedAt?: string;
  elapsedMs?: number;
  attempt?: number;
  attempts?: KnownAttempt[];
}

interface KnownAttempt {
  n?: number;
  startedAt?: string;
  elapsedMs?: number;
  error?: { kind?: string; code?: string; message?: string };
}

interface KnownError {
  message?: string;
  kind?: string;
  code?: string;
  stack?: string;
}

/** What a notification's templates find in `delivery`, beside the record itself. */
export interface DeliveryReport {
  /** One sentence: what happened to which file. */
  summary: string;
  /** `1.2 MB (1234567 bytes)`. */
  size: string;
  /** `2 min 5 s`. */
  duration: string;
  /** How it was made sure that the content arrived. */
  verification: string;
  /** The writer's name, or its type. */
  by: string;
  /** In the notifier's time zone: `2026-11-24 12:00:56 (Europe/Berlin)`. */
  finished: string;
  linkEnds: string;
  /** One line for each attempt. */
  history: string[];
  /** One line for each entry of the metadata. */
  details: string[];
}

/** What a notification's templates find in `msg.error`, beside what is there. */
export interface ErrorReport {
  message: string;
  kind: string;
  code: string;
  stack: string;
  /** What a person does next. */
  advice: string;
}

/** The person's next action for each kind of error. */
const adviceByKind: Readonly<Record<ErrorKind, string>> = {
  invalid: "Change the settings or the request. As they are, every further try fails in the same way.",
  denied: "Ask for valid credentials or for the permission, then deliver again.",
  missing: "Create what is missing (the bucket, the folder, the source file), then deliver again.",
  rejected: "Change the content or its name: the other side refused it.",
  unavailable: "Find out whether the other side and the network work again, then deliver again.",
  throttled: "Wait longer and send less at once: the other side asked for it.",
  changed: "Deliver again when nothing changes the source any more.",
  local: "Look after this machine: its disk, its limit of open files, its store.",
  cancelled: "Nothing is broken: the delivery was stopped. Deliver again if it is still wanted.",
  internal: "This looks like a bug. Please report it, with the details below.",
};
const adviceWithoutKind = "Look at the reason above and at the log of Node-RED.";

/** The view with what people want to read in place of numbers and codes. The view itself stays as it is. */
export function reportView(view: TemplateView, timeZone: string | undefined): TemplateView {
  const delivery = (view.delivery ?? {}) as KnownDelivery;
  const msg = (view.msg ?? {}) as { error?: KnownError };
  return {
    ...view,
    delivery: { ...emptyDelivery, ...delivery, ...describe(delivery, view, timeZone) },
    msg: { ...msg, error: describeError(completed(msg.error, lastError(delivery))) },
  };
}

/** What not every delivery has: a template may name it all the same. */
const emptyDelivery = {
  id: "",
  target: "",
  location: "",
  attempt: 0,
  bytes: "",
  sha256: "",
  etag: "",
  versionId: "",
  url: "",
  urlExpiresAt: "",
  finishedAt: "",
  nextAttemptAt: "",
  notes: [],
};

function describe(delivery: KnownDelivery, view: TemplateView, timeZone: string | undefined): DeliveryReport {
  const { writer, bytes, elapsedMs, verified = "" } = delivery;
  const time = (iso: string | undefined) => (iso === undefined ? "" : localTime(iso, timeZone));
  return {
    summary: summaryOf(delivery, view),
    size: bytes === undefined ? "" : humanSize(bytes),
    duration: elapsedMs === undefined ? "" : humanDuration(elapsedMs),
    verification: verifications.get(verified) ?? "",
    by: writer?.name || kindOf(writer?.type ?? ""),
    finished: time(delivery.finishedAt),
    linkEnds: time(delivery.urlExpiresAt),
    history: attemptsOf(delivery).map((attempt) => attemptLine(attempt, time)),
    details: Object.entries(view.metadata ?? {}).map(([name, value]) => `${name}: ${value}`),
  };
}

/** As people know it: `delivery-ftp-writer` is an ftp writer. */
function kindOf(type: string): string {
  return type.replace(/^delivery-/, "").replaceAll("-", " ");
}

const verifications: ReadonlyMap<string, string> = new Map<Verified, string>([
  ["checksum", "by the checksum that the other side computed"],
  ["read-back", "by reading it back"],
  ["size", "by its size"],
  ["none", "not at all"],
]);

function summaryOf(delivery: KnownDelivery, { source }: TemplateView): string {
  const place = delivery.location || delivery.target || "its target";
  const name =
    (source as { name?: string } | undefined)?.name ??
    String(delivery.target ?? "")
      .split("/")
      .at(-1);
  const what = name || "The content";
  const tries = delivery.attempt ?? attemptsOf(delivery).length;
  const after = tries > 1 ? ` after ${tries} attempts` : "";
  switch (delivery.state) {
    case "delivered":
      return `${what} was delivered to ${place}${after}.`;
    case "skipped":
      return `${what} was already at ${place}, with the same content; nothing was sent.`;
    case "cancelled":
      return `The delivery of ${what} to ${place} was cancelled.`;
    case undefined:
      return "Something failed before there was a delivery.";
    default:
      return `${what} could not be delivered to ${place}${after}.`;
  }
}

function attemptLine({ n, startedAt, elapsedMs, error }: KnownAttempt, time: (iso?: string) => string) {
  const words = [error?.kind, error?.code].filter(Boolean).join(", ");
  const outcome = error ? `${words ? `${words}: ` : ""}${error.message ?? ""}` : "done";
  return `${n ?? "?"}. ${time(startedAt)}, ${humanDuration(elapsedMs ?? 0)}: ${outcome}`;
}

function lastError(delivery: KnownDelivery): KnownError {
  return attemptsOf(delivery).findLast(({ error }) => error)?.error ?? {};
}

function attemptsOf({ attempts }: KnownDelivery): KnownAttempt[] {
  return Array.isArray(attempts) ? attempts.filter((attempt) => attempt) : [];
}

/** Whoever caught an error knows its message and perhaps its code; the delivery still knows its kind. */
function completed(error: KnownError | undefined, last: KnownError): KnownError {
  if (error === undefined) return last;
  return error.message === last.message ? { ...last, ...error } : error;
}

/** Everything that the flow put into the error stays beside it. */
function describeError(error: KnownError): ErrorReport {
  const { message = "No reason is known.", kind = "", code = "", stack = "" } = error;
  const advice = Object.hasOwn(adviceByKind, kind) ? adviceByKind[kind as ErrorKind] : adviceWithoutKind;
  return { ...error, message, kind, code, stack, advice };
}

function localTime(iso: string, timeZone: string | undefined): string {
  const now = new Date(iso);
  if (Number.isNaN(now.getTime())) return iso;
  const zone = timeZone || Intl.DateTimeFormat().resolvedOptions().timeZone;
  const time = renderTemplate("{{isoDate}} {{HH}}:{{mm}}:{{ss}}", { now }, { timeZone: zone });
  return `${time} (${zone})`;
}

/** 1234567 → `1.2 MB (1234567 bytes)`. */
export function humanSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), 4);
  const unit = ["kB", "MB", "GB", "TB"][power - 1];
  return `${(bytes / 1000 ** power).toFixed(1)} ${unit} (${bytes} bytes)`;
}

/** 125000 → `2 min 5 s`. */
export function humanDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}
