import type { NodeMessage } from "node-red";

/** The large values of a message whose delivery waits: they are kept elsewhere, and many may wait. */
export interface LargeValues {
  /** Takes them out of the message. */
  letGo(): void;
  /** Puts them back, before other nodes see the message. What was put in their place meanwhile stays. */
  giveBack(from: NodeMessage): void;
}

type Values = Record<string, unknown>;

/** Of these a result does not have what the message had. */
const saidAnew: ReadonlySet<string> = new Set(["delivery", "notification", "metadata", "error"]);

/**
 * The message itself is changed, as Node-RED holds it for Complete and Catch nodes. Its sender may hold it,
 * too: the first node on a wire gets no copy, and as any node may change what it gets, senders do not count on it.
 * @param given the values of the message when it came
 * @param names of those that are large and kept elsewhere
 */
export function largeValuesOf(msg: NodeMessage, given: object, names: readonly string[]): LargeValues {
  const values = msg as unknown as Values;
  // Nothing below may name `given`: it would be held as long.
  let there = entriesOf(given as Values, names);
  let gone: string[] = [];
  return {
    letGo() {
      const same = there.filter(([name, value]) => values[name] === value);
      gone = same.map(([name]) => name).filter((name) => Reflect.set(values, name, null));
      there = [];
    },
    giveBack(from) {
      const restored = from as unknown as Values;
      for (const name of gone) if (values[name] === null) values[name] = restored[name] ?? null;
      gone = [];
    },
  };
}

function entriesOf(values: Values, names: readonly string[]): [name: string, value: unknown][] {
  return names.filter((name) => !saidAnew.has(name)).map((name) => [name, values[name]]);
}
