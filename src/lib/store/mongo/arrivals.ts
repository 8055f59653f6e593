import type { MongoDatabase } from "./database";

export interface Arrivals {
  /** A number that is larger than all that anybody was given before. */
  next(): Promise<number>;
  /** For numbers that turn out to be taken, because the counter was lost: goes on behind the last one. */
  catchUp(): Promise<void>;
}

/**
 * Numbers for arriving deliveries, from one counter for all processes. It counts before the delivery is
 * kept, so that numbers may stay unused but never come twice; a delivery that is kept has one smaller than
 * whatever comes later, and a list that is read by them, from above, neither repeats nor misses it.
 */
export function createArrivals({ deliveries, state, patiently }: MongoDatabase): Arrivals {
  let batch: { size: number; last: Promise<number> } | undefined;

  const take = (count: number) =>
    patiently(async () => {
      const counter = await state.findOneAndUpdate(
        { _id: "arrivals" },
        { $inc: { value: count } },
        { upsert: true, returnDocument: "after" },
      );
      return counter?.value ?? count;
    });

  const beginBatch = () => {
    const begun = { size: 0, last: Promise.resolve(0) };
    // Whoever asks until then comes along: a counter that all processes share is a narrow place.
    begun.last = Promise.resolve().then(() => {
      batch = undefined;
      return take(begun.size);
    });
    return begun;
  };

  return {
    async next() {
      batch ??= beginBatch();
      const mine = batch;
      const place = ++mine.size;
      return (await mine.last) - mine.size + place;
    },

    async catchUp() {
      const [newest] = await patiently(() => deliveries.find().sort({ arrival: -1 }).limit(1).toArray());
      const value = newest?.arrival ?? 0;
      await patiently(() => state.updateOne({ _id: "arrivals" }, { $max: { value } }, { upsert: true }));
    },
  };
}
