import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { openSqlite, type SqliteDriver } from "./driver";

export interface OpenFile {
  readonly driver: SqliteDriver;
  /**
   * Whether there is another file in its place, which must be opened instead. When somebody has removed
   * it, its content is written to a new one first.
   * @throws Error when that cannot be done: until it can, the content is nowhere but here
   */
  isReplaced(): boolean;
}

/** https://sqlite.org/rescode.html */
const corrupt = 11;
const notADatabase = 26;

/**
 * Opens the file for this thread alone, and makes it when there is none. One that is broken is set aside,
 * with a notice.
 */
export function openFile(file: string, notify: (notice: string) => void): OpenFile {
  provide(file);
  let driver: SqliteDriver;
  try {
    driver = openSound(file);
  } catch (error) {
    const { rawCode, errcode } = error as { rawCode?: number; errcode?: number };
    const code = (rawCode ?? errcode ?? 0) & 0xff;
    if (code !== corrupt && code !== notADatabase) throw error;
    const aside = setAside(file);
    notify(
      `The delivery store ${file} is damaged. It was set aside as ${aside}, and an empty one was begun: ` +
        "deliveries that had not ended are in the damaged file only.",
    );
    return openFile(file, notify);
  }
  const { ino } = statSync(file);
  let logsIno: number | undefined;
  return {
    driver,
    isReplaced() {
      const found = inodeOf(file);
      if (found === ino) {
        logsIno ??= inodeOf(logOf(file));
        return false;
      }
      // What is in a removed file would be gone with this process.
      if (found === undefined) writeAgain(driver, file);
      // The log of the old file would be played into the new one, which may have brought its own.
      else if (logsIno !== undefined && inodeOf(logOf(file)) === logsIno) rmSync(logOf(file));
      notify(
        found !== undefined
          ? `Somebody has put another file in the place of the delivery store ${file}; it is used from now on.`
          : `Somebody has removed the delivery store ${file}; it was written again.`,
      );
      return true;
    },
  };
}

const logOf = (file: string) => `${file}-wal`;

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

/** SQLite gives its log the rights of the file, which itself would be readable by all. */
function provide(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, "a", 0o600));
}

/** It gets its name when it is whole: another one would be taken for the deliveries that there are. */
function writeAgain(driver: SqliteDriver, file: string): void {
  const unfinished = `${file}.unfinished`;
  try {
    rmSync(unfinished, { force: true });
    provide(unfinished);
    driver.exec(`VACUUM INTO ${quoted(unfinished)}`);
    const written = openSync(unfinished, "r+");
    fsyncSync(written);
    closeSync(written);
    // Of the removed file: it would be played into this one.
    rmSync(logOf(file), { force: true });
    renameSync(unfinished, file);
  } catch (error) {
    // A full disk needs the room.
    rmSync(unfinished, { force: true });
    throw error;
  }
}

function openSound(file: string): SqliteDriver {
  const driver = openSqlite(file);
  try {
    // Before the log is touched: then there is no shared memory, and no second process gets in.
    driver.exec("PRAGMA locking_mode = EXCLUSIVE");
    // Only a file that holds nothing yet can be told so; see `makeShrinkable`.
    driver.exec("PRAGMA auto_vacuum = INCREMENTAL");
    driver.exec("PRAGMA journal_mode = WAL");
    // A power cut must not take back what was acknowledged.
    driver.exec("PRAGMA synchronous = FULL");
    driver.exec("PRAGMA busy_timeout = 0");
    driver.exec("BEGIN IMMEDIATE; COMMIT");
    const [check] = driver.all("PRAGMA quick_check(1)", []);
    if (Object.values(check ?? {})[0] !== "ok") {
      throw Object.assign(new Error(String(Object.values(check ?? {})[0])), { errcode: corrupt });
    }
    makeShrinkable(driver);
    return driver;
  } catch (error) {
    driver.close();
    throw error;
  }
}

const incremental = 2;

/** A file of an earlier version is written anew once, to learn how to give room back. */
function makeShrinkable(driver: SqliteDriver): void {
  if (numberOf(driver, "auto_vacuum") === incremental) return;
  try {
    driver.exec("VACUUM");
  } catch {
    // There is no room for that now: the next start tries again, and till then the file only grows.
  }
}

/** Less than this many free pages of 4 KiB are soon used again. */
const sparePages = 1_024;
/** So many pages cost a few milliseconds. */
const pagesPerStep = 256;

/**
 * Gives a part of the room that nothing needs any more back to the disk, when it is a good part of the file.
 * Returns whether there is more.
 */
export function giveBackRoom({ driver }: OpenFile): boolean {
  const free = numberOf(driver, "freelist_count");
  if (free < sparePages || free < numberOf(driver, "page_count") / 4) return false;
  driver.all(`PRAGMA incremental_vacuum(${pagesPerStep})`, []);
  // It is cut off the file when the log is written to it.
  driver.all("PRAGMA wal_checkpoint(TRUNCATE)", []);
  return true;
}

function numberOf(driver: SqliteDriver, pragma: string): number {
  return Number(Object.values(driver.all(`PRAGMA ${pragma}`, [])[0] ?? {})[0]);
}

function setAside(file: string): string {
  const aside = `${file}.damaged-${new Date().toISOString().replaceAll(":", "-")}`;
  renameSync(file, aside);
  for (const log of ["-wal", "-journal"]) {
    if (existsSync(file + log)) renameSync(file + log, aside + log);
  }
  return aside;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
