import type { NodeMessage } from "node-red";
import type { Delivery } from "../../lib";

/** The next node gets a message a few milliseconds later; a writer or a notify node then begins to keep it. */
export const takeOverMs = 1_000;

/** What is just being taken over, by the id of the delivery that the message tells of. */
const underWay = new Map<string, Set<Promise<unknown>>>();

/**
 * Does the work of keeping what a message asks for. Until it is done, the results that the message tells of
 * count as not told: should the process die, the next one tells them again.
 */
export async function takeOver<Result>(msg: NodeMessage, work: () => Promise<Result>): Promise<Result> {
  const ids = idsIn(msg);
  const working = work();
  for (const id of ids) underWay.set(id, (underWay.get(id) ?? new Set()).add(working));
  try {
    return await working;
  } finally {
    for (const id of ids) {
      const works = underWay.get(id);
      works?.delete(working);
      if (works?.size === 0) underWay.delete(id);
    }
  }
}

/** Resolves when nobody is taking over what was told of this delivery; at once if nobody has begun. */
export async function takenOver({ id }: Pick<Delivery, "id">): Promise<void> {
  await Promise.allSettled(underWay.get(id) ?? []);
}

function idsIn(msg: NodeMessage): Set<string> {
  const { delivery, notification, error } = msg as Record<
    string,
    { id?: unknown; deliveryId?: unknown } | null
  >;
  const ids = [delivery?.id, notification?.id, error?.deliveryId];
  return new Set(ids.filter((id) => typeof id === "string"));
}
