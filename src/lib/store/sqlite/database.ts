import path from "node:path";
import { Worker } from "node:worker_threads";
import { DeliveryError } from "../../errors";
import type { SqlDatabase, StatementResult } from "../sql/backend";
import type { Knex } from "../sql/dialect";
import type { Answer, Batch, Failure, Outcome, Statement } from "./protocol";

export interface SqliteFileOptions {
  file: string;
  /** Told of what happened to the file, in sentences. */
  onNotice?: (notice: string) => void;
}

interface Waiting {
  statement: Statement;
  resolve: (outcome: StatementResult) => void;
  reject: (error: Error) => void;
}

/**
 * One write to the disk serves all that came while the one before was under way. Not more than this: what
 * came of a batch is told in one go, in which nothing else runs.
 */
const mostPerBatch = 100;

/**
 * A SQLite file, in a thread of its own. Opened at the first statement, and again after a fault.
 * @param prepare makes a file ready for use each time that it was opened: it may be another one than before
 */
export function openSqliteDatabase(
  knex: Knex,
  { file, onNotice }: SqliteFileOptions,
  prepare: (database: SqlDatabase) => Promise<void>,
): SqlDatabase {
  const waiting: Waiting[] = [];
  /** The statements of `prepare`, which go before all others. */
  const preparing: Waiting[] = [];
  let prepared: { by: Worker; done: boolean } | undefined;
  let batch: { id: number; parts: Waiting[]; from: Waiting[] } | undefined;
  let worker: Worker | undefined;
  let ending: Promise<unknown> | undefined;
  let batches = 0;

  const start = (): Worker => {
    const entry = path.join(__dirname, `worker${path.extname(__filename)}`);
    const started = new Worker(entry, { workerData: { file } });
    started.on("message", (answer: Answer) => {
      if ("notice" in answer) onNotice?.(answer.notice);
      else settle(answer);
    });
    // Whatever ends the thread, the next statement starts another one.
    started.once("error", (error) => end(started, { code: undefined, message: error.message }));
    started.once("exit", () => end(started, { code: undefined, message: "its thread has ended" }));
    started.unref();
    return started;
  };

  const end = (ended: Worker, failure: Failure) => {
    if (worker !== ended) return;
    worker = undefined;
    if (batch) settle({ id: batch.id, failure });
  };

  const flush = () => {
    if (batch || ending || waiting.length + preparing.length === 0) return;
    worker ??= start();
    makeReady(worker);
    const next = preparing.length === 0 && prepared?.done ? waiting : preparing;
    if (next.length === 0) return;
    batch = { id: ++batches, parts: next.splice(0, mostPerBatch), from: next };
    // Only what is under way keeps the process alive.
    worker.ref();
    const message: Batch = { id: batch.id, statements: batch.parts.map(({ statement }) => statement) };
    worker.postMessage(message);
  };

  const makeReady = (opened: Worker) => {
    // One that has begun goes on in the next thread; what it has done in the last one is then looked for anew.
    if (prepared?.by === opened || prepared?.done === false) return;
    const run = { by: opened, done: false };
    prepared = run;
    prepare({ knex, execute: executor(preparing), close })
      .then(
        () => {
          run.done = true;
        },
        (error: Error) => {
          prepared = undefined;
          for (const { reject } of waiting.splice(0)) reject(error);
        },
      )
      .finally(flush);
  };

  const settle = (answer: Exclude<Answer, { notice: string }>) => {
    if (answer.id !== batch?.id) return;
    const { parts, from } = batch;
    batch = undefined;
    worker?.unref();
    if ("outcomes" in answer) {
      for (const [at, part] of parts.entries()) settlePart(file, part, answer.outcomes[at] ?? noAnswer);
    } else {
      if ("again" in answer) from.unshift(...parts);
      else for (const part of parts) settlePart(file, part, answer);
      if (!("stays" in answer)) restart();
    }
    flush();
  };

  const restart = () => {
    ending = worker?.terminate().finally(() => {
      ending = undefined;
      flush();
    });
    worker = undefined;
  };

  const executor =
    (queue: Waiting[]): SqlDatabase["execute"] =>
    async (...builders) => {
      const run = (statement: Statement) =>
        new Promise<StatementResult>((resolve, reject) => {
          queue.push({ statement, resolve, reject });
          // A burst comes in one turn of the event loop: let all of it into one batch.
          if (queue.length === 1) setImmediate(flush);
        });
      // Those that are handed over together are kept together.
      const results = await Promise.all(builders.flatMap(statementsOf).map(run));
      return results.at(-1) ?? { rows: [], changes: 0 };
    };

  const close = async () => {
    await ending;
    const closing = worker;
    if (!closing) return;
    const exited = new Promise((resolve) => closing.once("exit", resolve));
    closing.ref();
    closing.postMessage("close");
    await exited;
  };

  return { knex, execute: executor(waiting), close };
}

const noAnswer: Outcome = { failure: { code: undefined, message: "its thread has not answered" } };

function settlePart(file: string, { resolve, reject }: Waiting, outcome: Outcome): void {
  if ("failure" in outcome) reject(storeError(file, outcome.failure));
  else resolve(outcome);
}

function statementsOf(builder: Knex.QueryBuilder | Knex.SchemaBuilder): Statement[] {
  const made = builder.toSQL() as unknown as MadeSql | MadeSql[];
  return [made].flat().map(({ sql, bindings, method }) => ({
    sql,
    values: bindings ?? [],
    reads: method === "select" || method === "first",
  }));
}

interface MadeSql {
  sql: string;
  bindings?: (string | number | null)[];
  method?: string;
}

const anotherProcess =
  "another process uses it. Only one can work with this file: end the other one, or let both share a database";

/** By SQLite's primary result code: https://sqlite.org/rescode.html */
const explanations: Readonly<Record<number, string>> = {
  5: anotherProcess,
  6: anotherProcess,
  8: "it is read-only. Give the user who runs this process the right to write it",
  10: "the disk cannot be read or written. Look after the disk",
  11: "it is damaged",
  13: "the disk is full. Make room",
  14: "it cannot be opened. Check that the folder exists, and that the user who runs this process may write there",
  26: "it is not a SQLite file",
};

/** What the system says before SQLite has a word in it. */
const systemCode = /\b(EMFILE|ENFILE|ENOSPC|EDQUOT|EROFS)\b/;
const systemExplanations: Readonly<Record<string, string>> = {
  EMFILE: "too many files are open. Raise the limit (ulimit -n)",
  ENFILE: "too many files are open on this machine. Raise the limit (fs.file-max)",
  ENOSPC: "the disk is full. Make room",
  EDQUOT: "the disk quota is used up. Make room",
  EROFS: "it is read-only. Give the user who runs this process the right to write it",
};

function storeError(file: string, { code, message }: Failure): DeliveryError {
  const system = systemCode.exec(message)?.[1];
  const reason = explanations[code ?? -1] ?? systemExplanations[system ?? ""] ?? message;
  const told = code === undefined ? system : `SQLITE_${code}`;
  return new DeliveryError("local", `The delivery store ${file} cannot be used: ${reason}.`, { code: told });
}
