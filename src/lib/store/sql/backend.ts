import { randomUUID } from "node:crypto";
import type { Knex } from "knex";
import type { DeliveryState } from "../../types";
import { type KeptRow, noCounts, type RowChange, type StoreBackend, type StoreRow } from "../backend";
import { agreedTable, type TableSettings, table } from "./schema";

/** What a statement gave: rows, or how many rows it changed. */
export interface StatementResult {
  rows: Record<string, unknown>[];
  changes: number;
}

/**
 * Does one after the other, all or nothing where the database can, and gives the last one's result.
 * When it resolves, what was changed is kept.
 * @throws DeliveryError `local`
 */
export type Execute = (...statements: (Knex.QueryBuilder | Knex.SchemaBuilder)[]) => Promise<StatementResult>;

/** Where statements go. */
export interface SqlDatabase {
  readonly knex: Knex;
  /** May do a statement again when its answer was lost: then it may have been done before. */
  readonly execute: Execute;
  readonly settings?: TableSettings;
  /**
   * Does work that only one process may do at a time, once the table of versions has its row 0. What is
   * executed by the argument is kept when the work is. Absent where there is only one process.
   */
  alone?(work: (execute: Execute) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

type Column = keyof KeptRow;

const columns: Readonly<Record<Column, string>> = {
  arrival: "arrival",
  id: "id",
  queue: "queue",
  state: "state",
  claimableAt: "claimable_at",
  owner: "owner",
  announced: "announced",
  onceKey: "once_key",
  acceptedAt: "accepted_at",
  finishedAt: "finished_at",
  decidedBy: "decided_by",
  version: "version",
  draft: "draft",
  progress: "progress",
};

/** As many as every database takes in a list. */
const prunedAtOnce = 500;

/** Nothing here needs more than comparing and setting: no vendor's locks, no upserts. */
export function createSqlBackend({ knex, execute, close }: SqlDatabase): StoreBackend {
  const select = async (build: (rows: Knex.QueryBuilder) => Knex.QueryBuilder): Promise<KeptRow[]> => {
    const { rows } = await execute(build(knex(table).select(Object.values(columns))));
    return rows.map(fromColumns);
  };
  const first = async (where: Record<string, string>): Promise<KeptRow | undefined> =>
    (await select((rows) => rows.where(where)))[0];

  // A statement whose answer was lost is done again, and then finds its own work in the way.
  const isDone = async (id: string, changeId: string): Promise<boolean> => {
    const { rows } = await execute(knex(table).select("id").where({ id, change_id: changeId }));
    return rows.length > 0;
  };

  return {
    async insert(row) {
      const changeId = randomUUID();
      try {
        await execute(knex(table).insert({ ...toColumns(row), change_id: changeId }));
        return undefined;
      } catch (error) {
        if (await isDone(row.id, changeId)) return undefined;
        // Each database words it differently; that there is such a row says it for all.
        const { id, onceKey } = row;
        const holder =
          (await first({ id })) ?? (onceKey === null ? undefined : await first({ once_key: onceKey }));
        if (holder) return holder;
        throw error;
      }
    },

    async change({ id, seen, set }: RowChange) {
      const changeId = randomUUID();
      const values = { ...toColumns(set), change_id: changeId };
      try {
        const { changes } = await execute(knex(table).where({ id, version: seen }).update(values));
        return changes > 0 || (await isDone(id, changeId)) ? "changed" : "stale";
      } catch (error) {
        const holder = set.onceKey ? await first({ once_key: set.onceKey }) : undefined;
        if (holder && holder.id !== id) return "key-taken";
        throw error;
      }
    },

    get: (id) => first({ id }),

    claimable: (queue, nowMs, limit) =>
      select((rows) =>
        rows
          .where({ queue })
          .andWhere(columns.claimableAt, "<=", nowMs)
          .orderBy([columns.claimableAt, columns.arrival])
          .limit(limit),
      ),

    async hasten(queue, nowMs, byMs) {
      const ahead = (...states: DeliveryState[]) =>
        knex(table).where({ queue }).whereIn("state", states).andWhere(columns.claimableAt, ">", nowMs);
      if (byMs > 0) await execute(ahead("queued", "waiting").decrement(columns.claimableAt, byMs));
      // Some databases have a change lock rows that others want, also when there is nothing to change.
      const { rows } = await execute(ahead("queued").select("id").limit(1));
      if (rows.length > 0) await execute(ahead("queued").update({ [columns.claimableAt]: nowMs }));
    },

    async nextClaimableAt(queue) {
      const { rows } = await execute(knex(table).where({ queue }).min({ at: columns.claimableAt }));
      const at = rows[0]?.at;
      return at === null || at === undefined ? undefined : Number(at);
    },

    list: ({ writerId, states, announced, decidedBy }, limit, before) =>
      select((rows) => {
        if (writerId !== undefined) rows.where({ queue: writerId });
        if (states !== undefined) rows.whereIn("state", [...states]);
        if (announced !== undefined) rows.where({ announced: Number(announced) });
        if (decidedBy !== undefined) rows.where({ decided_by: decidedBy });
        if (before !== Infinity) rows.where(columns.arrival, "<", before);
        return rows.orderBy(columns.arrival, "desc").limit(limit);
      }),

    async counts(queue) {
      const counting = knex(table).select("state").count({ number: "*" }).groupBy("state");
      const { rows } = await execute(queue === undefined ? counting : counting.where({ queue }));
      const counts = noCounts();
      for (const { state, number } of rows) counts[state as DeliveryState] = Number(number);
      return counts;
    },

    async prune(states, endedBefore, keep) {
      const ended = () =>
        knex(table)
          .where({ announced: 1 })
          .whereIn("state", [...states]);
      const surplus = await execute(
        ended()
          .select({ at: columns.finishedAt, arrival: columns.arrival })
          .orderBy([
            { column: columns.finishedAt, order: "desc" },
            { column: columns.arrival, order: "desc" },
          ])
          .limit(1)
          .offset(keep),
      );
      const newestSurplus = surplus.rows[0];
      const old = ended().andWhere((rows) => {
        rows.where(columns.finishedAt, "<", endedBefore);
        if (!newestSurplus) return;
        const at = Number(newestSurplus.at);
        rows.orWhere(columns.finishedAt, "<", at);
        rows.orWhere((same) =>
          same.where(columns.finishedAt, at).andWhere(columns.arrival, "<=", Number(newestSurplus.arrival)),
        );
      });
      // In slices: a server gives up what takes too long, and would never come to the end.
      for (let removed = 0; ; ) {
        const { rows } = await execute(old.clone().select(columns.arrival).limit(prunedAtOnce));
        const arrivals = rows.map((row) => Number(row[columns.arrival]));
        if (arrivals.length > 0) {
          removed += (await execute(ended().whereIn(columns.arrival, arrivals).delete())).changes;
        }
        if (arrivals.length < prunedAtOnce) return removed;
      }
    },

    async remove(id, seen) {
      const { changes } = await execute(knex(table).where({ id, version: seen }).delete());
      // Done again after a lost answer, it finds nothing.
      return changes > 0;
    },

    async agree(name, value) {
      const find = async () => (await execute(knex(agreedTable).where({ name }).select("agreed"))).rows[0];
      const found = await find();
      if (found) return String(found.agreed);
      const making = execute(knex(agreedTable).insert({ name, agreed: value }));
      const failure = await making.then(
        () => undefined,
        (error: unknown) => error,
      );
      // Another process may have been faster; if not, it fails for the same reason.
      const made = await find();
      if (!made) throw failure;
      return String(made.agreed);
    },

    close,
  };
}

function toColumns(row: Partial<StoreRow>): Record<string, string | number | null> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      columns[name as Column],
      typeof value === "boolean" ? Number(value) : value,
    ]),
  );
}

function fromColumns(row: Record<string, unknown>): KeptRow {
  // PostgreSQL gives its 64-bit integers as text.
  const number = (name: Column) => Number(row[columns[name]]);
  const orNull = <T>(name: Column, read: (name: Column) => T) =>
    row[columns[name]] === null || row[columns[name]] === undefined ? null : read(name);
  const text = (name: Column) => String(row[columns[name]]);
  return {
    arrival: number("arrival"),
    id: text("id"),
    queue: text("queue"),
    state: text("state") as DeliveryState,
    claimableAt: orNull("claimableAt", number),
    owner: orNull("owner", text),
    announced: number("announced") === 1,
    onceKey: orNull("onceKey", text),
    acceptedAt: number("acceptedAt"),
    finishedAt: orNull("finishedAt", number),
    decidedBy: orNull("decidedBy", text),
    version: number("version"),
    draft: text("draft"),
    progress: text("progress"),
  };
}
