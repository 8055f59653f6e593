import { randomUUID } from "node:crypto";
import type { Filter } from "mongodb";
import type { DeliveryState } from "../../types";
import { noCounts, type StoreBackend } from "../backend";
import type { DeliveryFilter } from "../delivery-store";
import { createArrivals } from "./arrivals";
import type { MongoDatabase } from "./database";
import { clearedFields, type DeliveryDocument, toFields, toRow } from "./documents";
import { isDuplicate } from "./errors";

type Where = Filter<DeliveryDocument>;

/** Each method is one statement, or finds its own work when a statement is done again. */
export function createMongoBackend(database: MongoDatabase): StoreBackend {
  const { deliveries, state, patiently } = database;
  const arrivals = createArrivals(database);
  const first = (where: Where) => deliveries.findOne(where);
  // Values are always compared, never read as operators, whatever a message has made them.
  const is = <Value>(value: Value) => ({ $eq: value });

  return {
    async insert(row) {
      const insertId = randomUUID();
      let arrival = await arrivals.next();
      return patiently(async () => {
        try {
          const document = { _id: row.id, ...toFields(row), arrival, insertId, changeId: insertId };
          await deliveries.insertOne(document as DeliveryDocument);
          return undefined;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
          const { id, onceKey } = row;
          const holder =
            (await first({ _id: is(id) })) ??
            (onceKey === null ? null : await first({ onceKey: is(onceKey) }));
          if (holder) return holder.insertId === insertId ? undefined : toRow(holder);
          // Either it has just gone, or its arrival was given before.
          await arrivals.catchUp();
          arrival = await arrivals.next();
          throw error;
        }
      });
    },

    async change({ id, seen, set }) {
      const changeId = randomUUID();
      const cleared = clearedFields(set);
      const update = {
        $set: { ...toFields(set), changeId },
        // Servers older than 5.0 refuse to clear nothing.
        ...(Object.keys(cleared).length > 0 && { $unset: cleared }),
      };
      return patiently(async () => {
        try {
          const { matchedCount } = await deliveries.updateOne({ _id: is(id), version: seen }, update);
          if (matchedCount > 0) return "changed";
          return (await first({ _id: is(id), changeId })) ? "changed" : "stale";
        } catch (error) {
          const holder = isDuplicate(error) && set.onceKey ? await first({ onceKey: is(set.onceKey) }) : null;
          if (holder && holder._id !== id) return "key-taken";
          throw error;
        }
      });
    },

    async get(id) {
      const found = await patiently(() => first({ _id: is(id) }));
      return found ? toRow(found) : undefined;
    },

    async claimable(queue, nowMs, limit) {
      const due = () =>
        deliveries
          .find({ queue: is(queue), claimableAt: { $lte: nowMs } })
          .sort({ claimableAt: 1, arrival: 1 })
          .limit(limit);
      return (await patiently(() => due().toArray())).map(toRow);
    },

    async hasten(queue, nowMs) {
      const ahead: Where = { queue: is(queue), state: "queued", claimableAt: { $gt: nowMs } };
      await patiently(() => deliveries.updateMany(ahead, { $set: { claimableAt: nowMs } }));
    },

    async nextClaimableAt(queue) {
      const next = () =>
        deliveries
          .find({ queue: is(queue), claimableAt: { $exists: true } })
          .sort({ claimableAt: 1 })
          .limit(1)
          .project<Pick<DeliveryDocument, "claimableAt">>({ claimableAt: 1 });
      return (await patiently(() => next().toArray()))[0]?.claimableAt;
    },

    async list(filter, limit, before) {
      const where = whereOf(filter);
      if (before !== Infinity) where.arrival = { $lt: before };
      const page = () => deliveries.find(where).sort({ arrival: -1 }).limit(limit);
      return (await patiently(() => page().toArray())).map(toRow);
    },

    async counts(queue) {
      const counting = () =>
        deliveries.aggregate<{ _id: DeliveryState; number: number }>([
          { $match: queue === undefined ? {} : { queue: is(queue) } },
          { $group: { _id: "$state", number: { $sum: 1 } } },
        ]);
      const counts = noCounts();
      for (const { _id, number } of await patiently(() => counting().toArray())) counts[_id] = number;
      return counts;
    },

    async prune(states, endedBefore, keep) {
      const ended: Where = { announced: true, state: { $in: [...states] } };
      const surplus = () =>
        deliveries.find(ended).sort({ finishedAt: -1, arrival: -1 }).skip(keep).limit(1).toArray();
      const [newest] = await patiently(surplus);
      const old: Where[] = [{ finishedAt: { $lt: endedBefore } }];
      if (newest) {
        const { finishedAt, arrival } = newest;
        old.push({ finishedAt: { $lt: finishedAt } }, { finishedAt, arrival: { $lte: arrival } });
      }
      return (await patiently(() => deliveries.deleteMany({ ...ended, $or: old }))).deletedCount;
    },

    async remove(id, seen) {
      const removing = () => deliveries.deleteOne({ _id: is(id), version: seen });
      return (await patiently(removing)).deletedCount > 0;
    },

    async agree(name, value) {
      const agreeing = () =>
        state.findOneAndUpdate(
          { _id: `agreed:${name}` },
          { $setOnInsert: { value: 1, agreed: value } },
          { upsert: true, returnDocument: "after" },
        );
      return (await patiently(agreeing))?.agreed ?? value;
    },

    close: () => database.close(),
  };
}

function whereOf({ writerId, states, announced, decidedBy }: DeliveryFilter): Where {
  return {
    ...(writerId !== undefined && { queue: { $eq: writerId } }),
    ...(states !== undefined && { state: { $in: [...states] } }),
    ...(announced !== undefined && { announced }),
    ...(decidedBy !== undefined && { decidedBy: { $eq: decidedBy } }),
  };
}
