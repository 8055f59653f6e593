import { createHash } from "node:crypto";
import { DeliveryError, type ErrorRecord } from "../errors";
import type { Delivery, DeliveryState } from "../types";
import type { StoreRow } from "./backend";
import { decodeDraft, decodeProgress, encodeDraft, encodeProgress } from "./codec";

/** What a store is refused with that only a newer version understands. */
export function writtenByNewer(schema: number): DeliveryError {
  return new DeliveryError(
    "local",
    `The delivery store was written by a newer version of this package (schema ${schema}). ` +
      "Install that version again, or choose another store.",
  );
}

/** States in which a once-key belongs to its delivery. */
const keyHolders: ReadonlySet<DeliveryState> = new Set([
  "queued",
  "sending",
  "waiting",
  "delivered",
  "skipped",
]);

/** What of a delivery rows are found by. */
export function columnsOf(delivery: Delivery): Omit<StoreRow, "id" | "queue" | "acceptedAt" | "progress"> {
  const { state, onceKey, announced, finishedAt, version } = delivery;
  const holds = onceKey !== undefined && keyHolders.has(state);
  return {
    state,
    claimableAt: state === "queued" || state === "waiting" ? delivery.dueAt : null,
    owner: null,
    announced,
    onceKey: holds ? createHash("sha256").update(onceKey).digest("hex") : null,
    finishedAt: finishedAt ?? null,
    decidedBy: delivery.decidedBy ?? null,
    version,
    draft: "",
  };
}

export function rowOf(delivery: Delivery): StoreRow {
  return {
    id: delivery.id,
    queue: delivery.writer.id,
    acceptedAt: delivery.acceptedAt,
    ...columnsOf(delivery),
    draft: encodeDraft(delivery),
    progress: encodeProgress(delivery),
  };
}

/** The delivery, or what is left of it where a disk or a hand has made its row unreadable. */
export function deliveryOf(row: StoreRow): Delivery {
  return readable(row) ?? remainsOf(row);
}

/** Undefined for a row that cannot be read whole. */
export function readable(row: StoreRow): Delivery | undefined {
  const draft = attempt(() => decodeDraft(row.draft));
  const progress = attempt(() => decodeProgress(row.progress));
  if (draft?.id !== row.id || !isObject(draft.source) || !isObject(draft.writer)) return undefined;
  if (!Array.isArray(progress?.attempts)) return undefined;
  const { state, claimableAt, announced, version } = row;
  // A clock that was set back has changed it only there.
  const waits = claimableAt !== null && (state === "queued" || state === "waiting");
  return { ...draft, ...progress, ...(waits && { dueAt: claimableAt }), announced, version };
}

export const unreadableCode = "UNREADABLE";

const unreadable: ErrorRecord = {
  kind: "local",
  code: unreadableCode,
  message:
    "The delivery store can no longer read this delivery: its record is damaged. Look after the disk, and send the content anew.",
  retryable: false,
};

function remainsOf(row: StoreRow): Delivery {
  const known = attempt(() => decodeDraft(row.draft));
  const draft = known?.id === row.id && isObject(known.source) ? known : undefined;
  return {
    source: { kind: "text", name: "", text: "" },
    target: "",
    location: "",
    metadata: {},
    attributes: {},
    ...draft,
    id: row.id,
    writer: { type: "", name: "", ...draft?.writer, id: row.queue },
    state: row.state,
    attempts: [],
    begun: 0,
    acceptedAt: row.acceptedAt,
    dueAt: row.claimableAt ?? row.acceptedAt,
    ...(row.finishedAt !== null && { finishedAt: row.finishedAt }),
    ...(row.decidedBy !== null && { decidedBy: row.decidedBy }),
    error: unreadable,
    announced: row.announced,
    version: row.version,
  };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
