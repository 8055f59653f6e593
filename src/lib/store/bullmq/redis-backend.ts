import { randomUUID } from "node:crypto";
import type { DeliveryState } from "../../types";
import { type KeptRow, noCounts, type StoreBackend, type StoreRow } from "../backend";
import type { DeliveryFilter } from "../delivery-store";
import type { RedisDatabase } from "./redis-database";

/** Redis does nothing else while it removes or changes so many: a few milliseconds. */
const changedAtOnce = 200;

const states = Object.keys(noCounts()) as DeliveryState[];

/** Keeps rows in Redis or Valkey. What BullMQ keeps there is elsewhere, and is not needed for them. */
export function createRedisBackend({ run, close }: RedisDatabase): StoreBackend {
  return {
    async insert(row) {
      const changeId = randomUUID();
      const holder = await run("insert", [row.id, changeId, ...toTexts(row)]);
      return Array.isArray(holder) ? fromTexts(holder) : undefined;
    },

    async change({ id, seen, set }) {
      const changeId = randomUUID();
      const result = await run("change", [id, String(seen), changeId, ...toTexts(set)]);
      return result as "changed" | "stale" | "key-taken";
    },

    async get(id) {
      const row = await run("get", [id]);
      return (row as string[]).length > 0 ? fromTexts(row as string[]) : undefined;
    },

    async claimable(queue, nowMs, limit) {
      return rowsOf(await run("claimable", [queue, String(nowMs), String(limit)]));
    },

    async hasten(queue, nowMs) {
      for (let from = "-inf"; ; ) {
        const last = await run("hasten", [queue, String(nowMs), from, String(changedAtOnce)]);
        if (last === null) return;
        from = `(${last}`;
      }
    },

    async nextClaimableAt(queue) {
      const at = await run("nextClaimable", [queue]);
      return at === null ? undefined : Number(at);
    },

    async list(filter, limit, before) {
      const { decidedBy } = filter;
      const found: KeptRow[] = [];
      for (let below = before; ; ) {
        const page = rowsOf(await run("list", listArguments(filter, limit, below)));
        found.push(...page.filter((row) => decidedBy === undefined || row.decidedBy === decidedBy));
        const last = page[limit - 1];
        if (found.length >= limit || !last) return found.slice(0, limit);
        below = last.arrival;
      }
    },

    async counts(queue) {
      const numbers = (await run("counts", [queueArgument(queue), ...states])) as number[];
      const counts = noCounts();
      for (const [at, state] of states.entries()) counts[state] = Number(numbers[at]);
      return counts;
    },

    // Only what has ended or has failed has a time at which it finished: there are no other states to spare.
    async prune(_states, endedBefore, keep) {
      const limits = [String(endedBefore), String(keep), String(changedAtOnce)];
      for (let removed = 0; ; ) {
        const some = Number(await run("prune", limits));
        removed += some;
        if (some < changedAtOnce) return removed;
      }
    },

    async remove(id, seen) {
      return Number(await run("remove", [id, String(seen)])) > 0;
    },

    async agree(name, value) {
      return String(await run("agree", [name, value]));
    },

    close,
  };
}

function listArguments({ writerId, states: some, announced }: DeliveryFilter, limit: number, below: number) {
  const top = below === Infinity ? "+inf" : `(${below}`;
  const flags = announced === undefined ? "01" : announced ? "1" : "0";
  return [top, String(limit), queueArgument(writerId), flags, ...(some ?? states)];
}

const queueArgument = (queue: string | undefined) => (queue === undefined ? "" : `:${queue}`);

function toTexts(row: Partial<StoreRow>): string[] {
  return Object.entries(row).flatMap(([name, value]) => {
    if (name === "id") return [];
    return [name, typeof value === "boolean" ? String(Number(value)) : String(value ?? "")];
  });
}

function rowsOf(answer: unknown): KeptRow[] {
  return (answer as string[][]).map(fromTexts);
}

function fromTexts(texts: readonly string[]): KeptRow {
  const row = new Map<string, string>();
  for (let at = 0; at < texts.length; at += 2) row.set(texts[at] ?? "", texts[at + 1] ?? "");
  const text = (name: keyof KeptRow) => row.get(name) ?? "";
  const orNull = (name: keyof KeptRow) => text(name) || null;
  const time = (name: keyof KeptRow) => (text(name) === "" ? null : Number(text(name)));
  return {
    arrival: Number(text("arrival")),
    id: text("id"),
    queue: text("queue"),
    state: text("state") as DeliveryState,
    claimableAt: time("claimableAt"),
    owner: orNull("owner"),
    announced: text("announced") === "1",
    onceKey: orNull("onceKey"),
    acceptedAt: Number(text("acceptedAt")),
    finishedAt: time("finishedAt"),
    decidedBy: orNull("decidedBy"),
    version: Number(text("version")),
    draft: text("draft"),
    progress: text("progress"),
  };
}
