/**
 * A copy of plain data that nobody can change, so that a store can give out what it keeps itself.
 * Bytes and whatever is not plain stay as they are.
 */
export function snapshotOf<T>(value: T): T {
  if (Array.isArray(value)) return Object.freeze(value.map(snapshotOf)) as T;
  if (typeof value !== "object" || value === null || !isPlain(value)) return value;
  const entries = Object.entries(value).map(([name, entry]) => [name, snapshotOf(entry)]);
  return Object.freeze(Object.fromEntries(entries));
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
