import type { DeliveryState } from "../../types";
import type { KeptRow, StoreRow } from "../backend";

// In a database of others, plain names could be taken.
export const collection = "data_distribution_deliveries";
export const stateCollection = "data_distribution_state";

/** Absent is what a row has as null: only what is there is in the index of once-keys. */
export type DeliveryDocument = {
  [Name in Exclude<keyof KeptRow, "id">]: NonNullable<KeptRow[Name]>;
} & {
  _id: string;
  /** By which a try that is made again finds its own work. */
  insertId: string;
  changeId: string;
};

/** What the processes agree on: how many deliveries ever came, the version of all this, and whatever else. */
export interface StateDocument {
  _id: "arrivals" | "schema" | `agreed:${string}`;
  value: number;
  agreed?: string;
}

export const schemaVersion = 1;

/** Made wherever they are missing: that they are there already costs one question. */
export const indexes: {
  key: Record<string, 1 | -1>;
  unique?: true;
  partialFilterExpression?: { onceKey: { $exists: true } };
}[] = [
  // $exists and no $type: of the two, only this one lets a search for a key use the index.
  { key: { onceKey: 1 }, unique: true, partialFilterExpression: { onceKey: { $exists: true } } },
  { key: { arrival: 1 }, unique: true },
  { key: { queue: 1, claimableAt: 1, arrival: 1 } },
  { key: { queue: 1, state: 1 } },
  { key: { announced: 1, queue: 1, arrival: -1 } },
  { key: { finishedAt: 1, arrival: 1 } },
];

export function toFields(row: Partial<StoreRow>): Record<string, string | number | boolean> {
  const { id: _, ...fields } = row;
  return Object.fromEntries(
    Object.entries(fields).filter(
      (field): field is [string, string | number | boolean] => field[1] !== null && field[1] !== undefined,
    ),
  );
}

/** What becomes null, and so is absent from then on. */
export function clearedFields(row: Partial<StoreRow>): Record<string, ""> {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([, value]) => value === null)
      .map(([name]) => [name, ""] as const),
  );
}

export function toRow(document: Partial<DeliveryDocument> & { _id: string }): KeptRow {
  return {
    arrival: Number(document.arrival),
    id: document._id,
    queue: String(document.queue),
    state: document.state as DeliveryState,
    claimableAt: document.claimableAt ?? null,
    owner: document.owner ?? null,
    announced: document.announced === true,
    onceKey: document.onceKey ?? null,
    acceptedAt: Number(document.acceptedAt),
    finishedAt: document.finishedAt ?? null,
    decidedBy: document.decidedBy ?? null,
    version: Number(document.version),
    draft: String(document.draft),
    progress: String(document.progress),
  };
}
