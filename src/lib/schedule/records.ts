import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { codeOf } from "../errors";
import { type RunningRun, readRunningRun } from "./running-run";

/** What a schedule did last. */
export interface ScheduleRecord {
  /** What the times come from. Under another timetable nothing of the past was promised. */
  readonly timetable: string;
  /** In milliseconds since 1970: up to here every time was run or passed over. */
  readonly settledUntil: number;
  /** The last run, while it has not ended and runs must not overlap. */
  readonly running?: RunningRun;
}

/** Remembers what each schedule did last, through restarts. Nothing of it ever fails a schedule. */
export interface ScheduleRecords {
  get(id: string): Promise<ScheduleRecord | undefined>;
  /** Holds at once, and is on the disk within about a second. */
  set(id: string, record: ScheduleRecord): void;
  remove(id: string): void;
  /** Resolves when the disk has everything, or a notice says why not. */
  flush(): Promise<void>;
}

export interface ScheduleRecordsOptions {
  /** Where to keep them, as JSON; without it they are gone with the process. */
  readonly file?: string;
  /** Told in a sentence when the file is damaged, cannot be read or cannot be written. */
  readonly onNotice?: (notice: string) => void;
  /**
   * How long a change waits for others. What is run and not yet written is run again after a crash: by
   * then, whoever was handed the run must have kept it.
   */
  readonly writeAfterMs?: number;
}

type Entries = Map<string, ScheduleRecord>;

export function createScheduleRecords(options: ScheduleRecordsOptions = {}): ScheduleRecords {
  const { file, onNotice = () => {}, writeAfterMs = 1_000 } = options;
  /** Changes since the file was read; undefined for what is removed. */
  const changes = new Map<string, ScheduleRecord | undefined>();
  let stored: Promise<Entries> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let lastNotice: string | undefined;

  const say = (notice: string) => {
    if (notice !== lastNotice) onNotice(notice);
    lastNotice = notice;
  };
  const read = (): Promise<Entries> => {
    stored ??= file === undefined ? Promise.resolve(new Map()) : readRecords(file, onNotice);
    // What failed is tried again: an unread file must never be overwritten.
    stored.catch(() => {
      stored = undefined;
    });
    return stored;
  };
  const write = async (): Promise<void> => {
    if (file === undefined || changes.size === 0) return;
    try {
      const entries = await read();
      const written = new Map(changes);
      for (const [id, record] of written) {
        if (record) entries.set(id, record);
        else entries.delete(id);
      }
      await writeRecords(file, entries);
      for (const [id, record] of written) if (changes.get(id) === record) changes.delete(id);
      lastNotice = undefined;
    } catch (error) {
      const { message } = error as Error;
      say(`What schedules did last cannot be kept, and a restart may miss or repeat runs: ${message}.`);
    }
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(write);
    return writing;
  };
  const change = (id: string, record: ScheduleRecord | undefined) => {
    changes.set(id, record);
    if (file !== undefined) timer ??= setTimeout(flush, writeAfterMs);
  };

  return {
    flush,
    set: change,
    remove: (id) => change(id, undefined),
    async get(id) {
      if (changes.has(id)) return changes.get(id);
      try {
        return (await read()).get(id);
      } catch (error) {
        say(`What schedules did last cannot be read: ${(error as Error).message}.`);
        return undefined;
      }
    },
  };
}

/** A file that makes no sense is set aside, with a notice. */
async function readRecords(file: string, notify: (notice: string) => void): Promise<Entries> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return new Map();
    throw error;
  }
  const entries = parseRecords(text);
  if (entries) return entries;
  const aside = `${file}.damaged-${new Date().toISOString().replaceAll(":", "-")}`;
  await rename(file, aside);
  notify(
    `The file ${file} is damaged, and was set aside as ${aside}. What schedules missed before this start is not known.`,
  );
  return new Map();
}

const version = 1;

function parseRecords(text: string): Entries | undefined {
  try {
    const content = JSON.parse(text);
    if (content.version !== version) return undefined;
    const entries = Object.entries(content.schedules as Record<string, ScheduleRecord>);
    const whole = entries.every(
      ([, { timetable, settledUntil }]) => typeof timetable === "string" && Number.isFinite(settledUntil),
    );
    return whole ? new Map(entries.map(([id, record]) => [id, knownPart(record)])) : undefined;
  } catch {
    return undefined;
  }
}

function knownPart({ timetable, settledUntil, running: stored }: ScheduleRecord): ScheduleRecord {
  const running = readRunningRun(stored);
  return { timetable, settledUntil, ...(running && { running }) };
}

/** A crash at any moment leaves the old file or the new one. */
async function writeRecords(file: string, entries: Entries): Promise<void> {
  const folder = path.dirname(file);
  const temporary = `${file}.${process.pid}.tmp`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(
        `${JSON.stringify({ version, schedules: Object.fromEntries(entries) }, undefined, 1)}\n`,
      );
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Without it a power cut may bring the old file back. Windows cannot, and does not need to. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
