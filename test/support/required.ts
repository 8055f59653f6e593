import { appendFileSync, existsSync } from "node:fs";
import { relative } from "node:path";
import { expect } from "vitest";

/**
 * Whether a program that this file's tests need is on this machine. If it is not, says so by name on
 * stderr and in the list that `npm test` ends with.
 * @throws Error under CI, where nothing may be left out.
 */
export function requireTool(name: string, path: string): boolean {
  return requireThat(existsSync(path), `${name} is not installed (${path})`);
}

/**
 * The same for anything else that a machine may lack.
 * @param reason ends the sentence "not run because …"
 */
export function requireThat(present: boolean, reason: string): boolean {
  if (present) return true;
  const line = list(reason);
  if (process.env.CI) throw new Error(line);
  return false;
}

/**
 * The same for what no package brings, such as a right or a part of the kernel: it is listed, and CI goes on
 * where it cannot be had.
 */
export function whereMachineCan(present: boolean, reason: string): boolean {
  if (!present) list(reason);
  return present;
}

function list(reason: string): string {
  const suite = relative(process.cwd(), expect.getState().testPath ?? "unknown suite");
  const line = `NOT RUN: ${suite}: ${reason}`;
  process.stderr.write(`${line}\n`);
  // scripts/test.mjs reads it: what a worker prints scrolls away.
  if (process.env.NOT_RUN_LIST) appendFileSync(process.env.NOT_RUN_LIST, `${line}\n`);
  return line;
}

/**
 * Says by name what no machine of ours can try, and what for once a person's machine could: it is listed at
 * the end of `npm test`, and is no failure.
 */
export function sayUntried(what: string): void {
  const line = `NOT TRIED: ${what}`;
  process.stderr.write(`${line}\n`);
  if (process.env.NOT_RUN_LIST) appendFileSync(process.env.NOT_RUN_LIST, `${line}\n`);
}
