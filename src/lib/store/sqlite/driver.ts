import { createRequire } from "node:module";

/** The little of SQLite that is needed, whichever library brings it. */
export interface SqliteDriver {
  run(sql: string, values: readonly (string | number | null)[]): { changes: number | bigint };
  all(sql: string, values: readonly (string | number | null)[]): Record<string, unknown>[];
  exec(sql: string): void;
  close(): void;
}

interface Prepared {
  run(...values: unknown[]): { changes: number | bigint };
  all(...values: unknown[]): Record<string, unknown>[];
}

interface Library {
  prepare(sql: string): Prepared;
  exec(sql: string): void;
  close(): void;
}

type Open = (file: string) => Library;

/** Older ones lose what two connections write at once, or were not tried. */
const oldestBuiltIn = "3.51.3";
const load = createRequire(__filename);

/** @throws Error when this machine has no SQLite that can be relied on */
export function openSqlite(file: string): SqliteDriver {
  const library = (openBuiltIn() ?? openLibsql())(file);
  const statements = new Map<string, Prepared>();
  const prepare = (sql: string): Prepared => {
    const statement = statements.get(sql) ?? library.prepare(sql);
    // There are about twenty of them, and lists of states vary a little.
    if (statements.size < 100) statements.set(sql, statement);
    return statement;
  };
  return {
    run: (sql, values) => prepare(sql).run(...values),
    all: (sql, values) => prepare(sql).all(...values),
    exec: (sql) => library.exec(sql),
    close() {
      statements.clear();
      library.close();
    },
  };
}

function openBuiltIn(): Open | undefined {
  if (!isAtLeast(process.versions.sqlite ?? "", oldestBuiltIn)) return undefined;
  const { DatabaseSync } = load("node:sqlite") as { DatabaseSync: new (file: string) => Library };
  return (file) => new DatabaseSync(file);
}

function openLibsql(): Open {
  try {
    const Database = load("libsql") as new (file: string) => Library;
    return (file) => new Database(file);
  } catch (cause) {
    throw new Error("The package libsql could not be loaded. Install it, or use Node.js 24", { cause });
  }
}

function isAtLeast(version: string, least: string): boolean {
  const [numbers, leastNumbers] = [version, least].map((text) => text.split(".").map(Number));
  for (const [at, number] of (leastNumbers ?? []).entries()) {
    const difference = (numbers?.[at] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
