import { randomUUID } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { codeOf } from "../errors";
import type { Turns } from "./spool";

const hourMs = 60 * 60 * 1000;
const dayMs = 24 * hourMs;
const sevenDaysMs = 7 * dayMs;

/** When each content was last needed, by its SHA-256, in milliseconds since the epoch; `Infinity` for still. */
export type Needed = () => Promise<ReadonlyMap<string, number>>;

/** What is not needed any more stays within them. */
export interface SpoolLimits {
  /** Counted from when it was put or needed last. Default: 7 days. */
  maxAgeMs?: number;
  /** Default: no limit. */
  maxBytes?: number;
}

/** Whether content that was put or needed then is far from being removed. */
export function isYoung(lastMs: number, { maxAgeMs = sevenDaysMs }: SpoolLimits): boolean {
  return lastMs > Date.now() - Math.min(maxAgeMs, hourMs) / 2;
}

interface PruneLimits extends SpoolLimits {
  needed: Needed;
}

/** Whether a name is that of content: its SHA-256 in lower-case hex. */
export function isDigest(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/** Content as it lies somewhere. */
export interface KeptContent {
  /** Its SHA-256. */
  name: string;
  size: number;
  /** When it was put, or somebody was about to need it. */
  lastMs: number;
}

/**
 * What `Spool.prune` promises, of these contents.
 * @param remove removes one, unless it was put or needed later than `thanMs` after all
 */
export async function pruneContents(
  contents: readonly KeptContent[],
  {
    needed: askNeeded,
    maxAgeMs = sevenDaysMs,
    maxBytes = Infinity,
    remove,
  }: PruneLimits & { remove: (name: string, thanMs: number) => Promise<boolean> },
): Promise<number> {
  const now = Date.now();
  let total = contents.reduce((sum, { size }) => sum + size, 0);
  const spareMs = () => (total > maxBytes ? Math.min(maxAgeMs, hourMs) : maxAgeMs);
  const old = contents.filter(({ lastMs }) => lastMs <= now - spareMs());
  if (old.length === 0) return 0;
  const needed = await askNeeded();
  const neededMs = ({ name, lastMs }: KeptContent) => Math.max(lastMs, needed.get(name) ?? 0);
  old.sort((a, b) => neededMs(a) - neededMs(b));
  let removed = 0;
  for (const content of old) {
    const thanMs = now - spareMs();
    // Those that follow were needed later still.
    if (neededMs(content) > thanMs) break;
    if (!(await remove(content.name, thanMs))) continue;
    total -= content.size;
    removed++;
  }
  return removed;
}

/** Prunes the contents in a folder. Files with other names are nobody's business here. */
export async function pruneFolder(
  folder: string,
  { inTurn, ...limits }: PruneLimits & { inTurn: Turns },
): Promise<number> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  const remove = (name: string, thanMs: number) => removeOlder(folder, name, thanMs, inTurn);
  const contents: KeptContent[] = [];
  let removed = 0;
  for (const name of names) {
    const isContent = isDigest(name);
    if (!isContent && !name.endsWith(".tmp")) continue;
    const stats = await stat(path.join(folder, name)).catch(() => undefined);
    if (!stats?.isFile()) continue;
    if (isContent) contents.push({ name, size: stats.size, lastMs: stats.mtimeMs });
    else if (await remove(name, Date.now() - dayMs)) removed++;
  }
  return removed + (await pruneContents(contents, { ...limits, remove }));
}

/** Looks once more in its turn: the content may have been put again since, also by another process. */
function removeOlder(folder: string, name: string, thanMs: number, inTurn: Turns): Promise<boolean> {
  return inTurn(async () => {
    const file = path.join(folder, name);
    const stats = await stat(file).catch(() => undefined);
    if (!stats || stats.mtimeMs > thanMs) return false;
    // Whoever looks for it from now on does not find it, and puts it anew; who has found it has made it young.
    const aside = path.join(folder, `${randomUUID()}.tmp`);
    try {
      await rename(file, aside);
      const isYoung = (await stat(aside)).mtimeMs > thanMs;
      if (isYoung) await rename(aside, file);
      else await rm(aside, { force: true });
      return !isYoung;
    } catch (error) {
      // Another process tidies the same folder, and was faster.
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
  });
}
