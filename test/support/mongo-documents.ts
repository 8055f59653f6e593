import type { Document } from "mongodb";

/** An error as the server answers it. */
export class CommandError extends Error {
  constructor(
    readonly code: number,
    readonly codeName: string,
    message: string,
    readonly more: Document = {},
  ) {
    super(message);
  }
}

interface Index {
  name: string;
  fields: string[];
  unique: boolean;
  partial: Document | undefined;
}

export interface Documents {
  insert(document: Document): void;
  update(
    where: Document,
    change: Document,
    upsert: boolean,
  ): { found: number; document: Document | undefined };
  find(where: Document, order?: Record<string, number>): Document[];
  remove(where: Document): number;
  createIndex(index: Document): void;
  count(where: Document): Map<unknown, number>;
}

/** What one collection keeps. Whatever a query or an update asks for that is not known here is refused. */
export function createDocuments(): Documents {
  let kept: Document[] = [];
  const indexes: Index[] = [{ name: "_id_", fields: ["_id"], unique: true, partial: undefined }];

  const refuseSecond = (document: Document, itself?: Document) => {
    for (const { name, fields, unique, partial } of indexes) {
      if (!unique || (partial && !matches(document, partial))) continue;
      const taken = kept.some(
        (other) =>
          other !== itself &&
          (!partial || matches(other, partial)) &&
          fields.every((field) => other[field] === document[field]),
      );
      if (!taken) continue;
      const keyPattern = Object.fromEntries(fields.map((field) => [field, 1]));
      const keyValue = Object.fromEntries(fields.map((field) => [field, document[field]]));
      throw new CommandError(11000, "DuplicateKey", `E11000 duplicate key error index: ${name}`, {
        keyPattern,
        keyValue,
      });
    }
  };

  const find: Documents["find"] = (where, order = {}) =>
    kept
      .filter((document) => matches(document, where))
      .sort((one, other) => {
        for (const [field, direction] of Object.entries(order)) {
          const difference = compare(one[field], other[field]) * direction;
          if (difference !== 0) return difference;
        }
        return 0;
      });

  return {
    find,
    insert(document) {
      refuseSecond(document);
      kept.push(document);
    },
    update(where, change, upsert) {
      const [found] = find(where);
      if (!found && !upsert) return { found: 0, document: undefined };
      const document = changed(found ?? { _id: where._id }, change, found === undefined);
      refuseSecond(document, found);
      if (found) kept[kept.indexOf(found)] = document;
      else kept.push(document);
      return { found: found ? 1 : 0, document };
    },
    remove(where) {
      const before = kept.length;
      kept = kept.filter((document) => !matches(document, where));
      return before - kept.length;
    },
    createIndex({ name, key, unique, partialFilterExpression }) {
      if (indexes.some((index) => index.name === name)) return;
      indexes.push({
        name,
        fields: Object.keys(key),
        unique: unique === true,
        partial: partialFilterExpression,
      });
    },
    count(where) {
      const counts = new Map<unknown, number>();
      for (const { state } of find(where)) counts.set(state, (counts.get(state) ?? 0) + 1);
      return counts;
    },
  };
}

/** What is not of the same type is neither smaller nor larger; what is absent sorts first. */
function compare(one: unknown, other: unknown): number {
  if (one === other) return 0;
  if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
  return (one as number) < (other as number) ? -1 : 1;
}

const comparisons: Record<string, (value: unknown, operand: never) => boolean> = {
  $eq: (value, operand) => value === operand,
  $lt: (value, operand) => typeof value === typeof operand && (value as number) < operand,
  $lte: (value, operand) => typeof value === typeof operand && (value as number) <= operand,
  $gt: (value, operand) => typeof value === typeof operand && (value as number) > operand,
  $in: (value, operand: unknown[]) => operand.includes(value),
  $exists: (value, operand) => (value !== undefined) === operand,
};

function matches(document: Document, where: Document): boolean {
  return Object.entries(where).every(([field, wanted]) => {
    if (field === "$or") return wanted.some((one: Document) => matches(document, one));
    if (field.startsWith("$")) throw unknown(field);
    const value = document[field];
    if (wanted === null || typeof wanted !== "object") return value === wanted;
    return Object.entries(wanted).every(([operator, operand]) => {
      const compares = comparisons[operator];
      if (!compares) throw unknown(operator);
      return compares(value, operand as never);
    });
  });
}

function changed(document: Document, change: Document, isNew: boolean): Document {
  const result = { ...document };
  for (const [operator, fields] of Object.entries(change)) {
    const entries = Object.entries(fields as Document);
    if (entries.length === 0) throw new CommandError(9, "FailedToParse", `'${operator}' is empty`);
    for (const [field, value] of entries) {
      if (operator === "$set") result[field] = value;
      else if (operator === "$setOnInsert") result[field] = isNew ? value : result[field];
      else if (operator === "$unset") delete result[field];
      else if (operator === "$inc") result[field] = (result[field] ?? 0) + value;
      else if (operator === "$max") result[field] = Math.max(result[field] ?? value, value);
      else throw unknown(operator);
    }
  }
  return result;
}

function unknown(operator: string): CommandError {
  return new CommandError(2, "BadValue", `unknown operator: ${operator}`);
}
