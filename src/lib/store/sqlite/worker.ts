/** The thread that owns the file: SQLite blocks while the disk works, which no flow should notice. */
import { parentPort, workerData } from "node:worker_threads";
import { giveBackRoom, type OpenFile, openFile } from "./file";
import type { Answer, Batch, Failure, Outcome, Statement } from "./protocol";

const { file } = workerData as { file: string };
let opened: OpenFile | undefined;
let idle: NodeJS.Timeout | undefined;

/** Only while nobody wants anything is there time for it. */
const idleMs = 1_000;
const pauseMs = 20;

const answer = (message: Answer) => parentPort?.postMessage(message);

parentPort?.on("message", (message: Batch | "close") => {
  clearTimeout(idle);
  if (message === "close") {
    opened?.driver.close();
    parentPort?.close();
    return;
  }
  const { id, statements } = message;
  try {
    opened ??= openFile(file, (notice) => answer({ notice }));
    const replaced = isReplaced(opened, id);
    if (replaced === undefined) return;
    if (replaced) answer({ id, again: true });
    else answer({ id, outcomes: commit(opened, statements) });
    idle = setTimeout(tidy, idleMs);
  } catch (error) {
    answer({ id, failure: failureOf(error) });
  }
});

/** Undefined when what somebody has removed cannot be written again: this thread then must not end. */
function isReplaced(file: OpenFile, id: number): boolean | undefined {
  try {
    return file.isReplaced();
  } catch (error) {
    answer({ id, failure: failureOf(error), stays: true });
    return undefined;
  }
}

function tidy(): void {
  try {
    if (opened && giveBackRoom(opened)) idle = setTimeout(tidy, pauseMs);
  } catch {
    // The next statement meets the same fault, and somebody who is told of it.
  }
}

/** All of a batch is kept with one write to the disk; a statement that fails leaves the others be. */
function commit({ driver }: OpenFile, statements: readonly Statement[]): Outcome[] {
  driver.exec("BEGIN IMMEDIATE");
  try {
    const outcomes = statements.map((statement) => execute(driver, statement));
    driver.exec("COMMIT");
    return outcomes;
  } catch (error) {
    try {
      driver.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself.
    }
    throw error;
  }
}

const constraint = 19;

function execute(driver: OpenFile["driver"], { sql, values, reads }: Statement): Outcome {
  try {
    if (reads) return { rows: driver.all(sql, values), changes: 0 };
    return { rows: [], changes: Number(driver.run(sql, values).changes) };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code === constraint) return { failure };
    throw error;
  }
}

function failureOf(error: unknown): Failure {
  const { message, rawCode, errcode } = error as Error & { rawCode?: number; errcode?: number };
  const code = rawCode ?? errcode;
  return { message, code: code === undefined ? undefined : code & 0xff };
}
