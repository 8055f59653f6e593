/** What the two threads say to each other. */
export interface Statement {
  sql: string;
  values: (string | number | null)[];
  /** Whether it gives rows. */
  reads: boolean;
}

export interface Batch {
  id: number;
  statements: Statement[];
}

export interface Failure {
  /** SQLite's primary result code (https://sqlite.org/rescode.html), when it is one of its errors. */
  code: number | undefined;
  message: string;
}

export type Outcome = { rows: Record<string, unknown>[]; changes: number } | { failure: Failure };

/**
 * `outcomes` when the batch is kept, `failure` when nothing of it is, `again` when it was not even tried.
 * After the last two the thread is of no more use: only its end lets go of the file for certain. Unless it
 * `stays`, as it alone still has what was in the file.
 */
export type Answer =
  | { id: number; outcomes: Outcome[] }
  | { id: number; failure: Failure; stays?: true }
  | { id: number; again: true }
  | { notice: string };
