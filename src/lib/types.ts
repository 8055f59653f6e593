import type { Readable } from "node:stream";
import type { ErrorRecord, SettledRecipients } from "./errors";

/** Plain data that survives cloning, a database and a trip to another process. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

interface SpecBase {
  /** The file name, without folders. */
  name: string;
  /** A media type (RFC 9110 §8.3). Guessed from the name by whoever needs one, when absent. */
  contentType?: string;
  /** In bytes, when known. Content of another size is refused as `changed`. */
  size?: number;
  /** Lower-case hex, when known. Content with another digest is refused as `changed`. */
  sha256?: string;
}

/** Written as UTF-8, byte for byte: no newline is translated, no BOM added or removed. */
export interface TextSpec extends SpecBase {
  kind: "text";
  text: string;
}
export interface BytesSpec extends SpecBase {
  kind: "bytes";
  bytes: Uint8Array;
}
/** A file on this machine. `mtimeMs` and `inode` pin it: it is refused as `changed` when they differ. */
export interface FileSpec extends SpecBase {
  kind: "file";
  path: string;
  mtimeMs?: number;
  inode?: number;
}
/** Fetched over http or https. Read once, through the spool, so that every attempt sees the same bytes. */
export interface UrlSpec extends SpecBase {
  kind: "url";
  url: string;
  headers?: Record<string, string>;
}
/** Content that is kept in the spool under its own digest. */
export interface SpoolSpec extends SpecBase {
  kind: "spool";
  size: number;
  sha256: string;
}

/** Where bytes come from, as plain data that can be opened again and again. */
export type SourceSpec = TextSpec | BytesSpec | FileSpec | UrlSpec | SpoolSpec;

export type Chunk = string | Uint8Array;
export type Content = Chunk | Readable | Iterable<Chunk> | AsyncIterable<Chunk>;

/** Content that exists once, in this process. It becomes a `SourceSpec` by going through the spool. */
export interface FunctionInput extends SpecBase {
  kind: "function";
  produce: (signal: AbortSignal) => Content | Promise<Content>;
}
export interface StreamInput extends SpecBase {
  kind: "stream";
  stream: Readable;
}
export type SourceInput = SourceSpec | FunctionInput | StreamInput;

export interface ReadOptions {
  signal?: AbortSignal;
  /** The first byte, counted from 0. A partial read is not checked against size and digest. */
  start?: number;
  /** Called with the number of bytes read since the last call. */
  onBytes?: (bytes: number) => void;
}

/** One pass over a source. */
export interface SourceReading {
  /**
   * Ends only after every announced byte came; otherwise it is destroyed with a `DeliveryError`:
   * `changed` for other bytes than announced, `missing`, `denied` or `unavailable` for a source that
   * cannot be read, `unavailable` also after 60 s without a byte. Destroy it to stop early.
   */
  readonly stream: Readable;
  /** Bytes read so far. */
  readonly bytes: number;
  /** Lower-case hex of what was read. Call it after the stream's end. */
  sha256(): string;
  /**
   * Gives the memory of one of the stream's chunks back, for later chunks to be read into. Only for whoever
   * is done with its bytes, and has handed them to nobody who is not. New memory for each chunk costs more
   * than reading into it.
   */
  recycle?(chunk: Uint8Array): void;
}

/** An opened source: each `read` starts a new pass over the same bytes. */
export interface DataSource {
  readonly name: string;
  readonly contentType: string | undefined;
  /** In bytes, or undefined when only reading to the end can tell. */
  readonly size: number | undefined;
  /** Lower-case hex, when it is known before reading. */
  readonly sha256: string | undefined;
  read(options?: ReadOptions): Promise<SourceReading>;
}

/** What a writer is asked to do, fixed when the delivery is accepted: every attempt gets the same. */
export interface WriteRequest {
  readonly deliveryId: string;
  /** Where to put the content: an S3 key, a path below the FTP connection's root. */
  readonly target: string;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Further values that this kind of writer knows, such as S3's `cacheControl`. */
  readonly attributes: Readonly<Record<string, string>>;
  /**
   * How many attempts were begun, this one included, by whichever process: perhaps nobody heard how an earlier
   * one ended, and the target may hold its work. 1 by default.
   */
  readonly begun?: number;
}

export interface AttemptContext {
  /**
   * Aborted on cancel, redeploy and shutdown: what was written so far is then removed. Aborted also at the
   * attempt's deadline, with a reason of the kind `unavailable`: what can be gone on with may then stay. With
   * a reason whose code is `TAKEN_OVER` what was written has to stay: another process may be writing there.
   */
  readonly signal: AbortSignal;
  /** Called with the bytes sent since the last call. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * How a writer knows that the content arrived: the other side's checksum, reading it back, its size,
 * or not at all.
 */
export type Verified = "checksum" | "read-back" | "size" | "none";

/** What a successful attempt proves. */
export interface Receipt {
  /** Where the content is, for people: `s3://bucket/key`, `ftp://host/folder/name`. */
  location: string;
  /** `skipped`: identical content was there already and the policy is to leave it. */
  outcome: "delivered" | "skipped";
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  verified: Verified;
  etag?: string;
  versionId?: string;
  /** A link that people can open, valid until `urlExpiresAt` (ISO 8601). */
  url?: string;
  urlExpiresAt?: string;
  /** What did not go as one would wish: a fallback taken, a value clamped. Sentences. */
  notes: string[];
}

/**
 * Puts one source at one place, once: it never retries and never waits for better times.
 * Nobody ever sees half a file under the final name, and a failed write leaves the old file in place.
 */
export interface Writer {
  /** The protocol: `s3`, `ftp`. */
  readonly type: string;
  /**
   * The place that `target` names, for people, without touching the network.
   * @throws DeliveryError `invalid` for a name that this writer refuses.
   */
  locate(target: string): string;
  /** @throws DeliveryError and nothing else. */
  write(source: DataSource, request: WriteRequest, context: AttemptContext): Promise<Receipt>;
  /**
   * The delivery is not tried again: what an attempt has left for the next one is removed. Never fails.
   * Absent where attempts leave nothing.
   */
  abandon?(deliveryId: string): Promise<void>;
  /** Releases what the writer itself holds. The connection belongs to whoever made it. */
  close(): Promise<void>;
}

/** What to tell people. */
export interface Notification {
  /** Stable over attempts and restarts: a repeat carries the same one, so that it can be recognised. */
  readonly id: string;
  readonly subject: string;
  readonly text: string;
  readonly recipients: readonly string[];
  /** `info` tells of a success, `error` of a failure. */
  readonly level: "info" | "error";
}

export interface NotificationContext extends AttemptContext {
  /** When it was accepted, in milliseconds since the epoch. A repeat bears the same date, like the same id. */
  readonly acceptedAt: number;
  /** Whom earlier attempts have settled, as the last one's error said. */
  readonly settled?: SettledRecipients | undefined;
}

export interface Notifier {
  /** `mail`, `log`. */
  readonly type: string;
  /** @throws DeliveryError and nothing else. One with `recipients` has reached some of them. */
  notify(notification: Notification, context: NotificationContext): Promise<NotificationReceipt>;
  close(): Promise<void>;
}

export interface NotificationReceipt {
  /** Who was told, for people: the addresses, or `log`. */
  location: string;
  /** The message's own id: an RFC 5322 Message-ID for mail. */
  messageId: string;
  notes: string[];
}

/** Who does the work of a delivery: a writer or a notifier, as the flow knows it. */
export interface WriterReference {
  id: string;
  type: string;
  name: string;
}

/**
 * - `queued`: accepted, its turn will come
 * - `sending`: an attempt is under way
 * - `waiting`: it failed and will be tried again at `dueAt`
 * - `failed`: an attempt failed and nobody has decided yet whether to try again
 * - `delivered`, `skipped`, `gave-up`, `cancelled`: ended
 */
export type DeliveryState =
  | "queued"
  | "sending"
  | "waiting"
  | "failed"
  | "delivered"
  | "skipped"
  | "gave-up"
  | "cancelled";

export interface Attempt {
  /** Counted from 1. */
  n: number;
  /** Milliseconds since the epoch. */
  startedAt: number;
  elapsedMs: number;
  error?: ErrorRecord;
}

/** What a delivery is accepted with. */
export interface DeliveryDraft {
  /** A UUID; the same id is accepted once. */
  id: string;
  writer: WriterReference;
  source: SourceSpec;
  target: string;
  /** `target` for people, as the writer's `locate` says it. */
  location: string;
  contentType?: string;
  metadata: Record<string, string>;
  attributes: Record<string, string>;
  /** While a delivery with this key is unfinished or has succeeded, no second one is accepted. */
  onceKey?: string;
  /** The caller's own: what it wants back with the result. The library never looks into it. */
  message?: unknown;
}

/** A delivery as the store keeps it. All times are milliseconds since the epoch. */
export interface Delivery extends DeliveryDraft {
  state: DeliveryState;
  attempts: Attempt[];
  /** How many attempts were begun, also those that were not counted or whose end nobody heard of. */
  begun: number;
  acceptedAt: number;
  /** When it may be tried next, while `queued` or `waiting`. */
  dueAt: number;
  finishedAt?: number;
  receipt?: Receipt;
  /** The last attempt's, or the reason for refusing the delivery. */
  error?: ErrorRecord;
  /** Why it is not tried again, once it was given up: a sentence. */
  reason?: string;
  /** The id of whoever gave it up, which announces that. */
  decidedBy?: string;
  /** When somebody took over the announcement from whoever should have made it. */
  takenAt?: number;
  /** Whether the flow has been told of the present state. */
  announced: boolean;
  /** Grows by one with every change. */
  version: number;
}
