import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { codeOf } from "../errors";
import type { Turns } from "./spool";

const hourMs = 60 * 60 * 1000;
const dayMs = 24 * hourMs;

/** When each content was last needed, by its SHA-256, in milliseconds since the epoch; `Infinity` for still. */
export type Needed = () => Promise<ReadonlyMap<string, number>>;

export interface PruneLimits {
  needed: Needed;
  maxAgeMs: number;
  maxBytes: number;
  inTurn: Turns;
}

/** What `Spool.prune` promises. Files with other names are nobody's business here. */
export async function pruneFolder(folder: string, limits: PruneLimits): Promise<number> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  const now = Date.now();
  const contents: { name: string; size: number; mtimeMs: number }[] = [];
  let removed = 0;
  for (const name of names) {
    const isContent = /^[0-9a-f]{64}$/.test(name);
    if (!isContent && !name.endsWith(".tmp")) continue;
    const stats = await stat(path.join(folder, name)).catch(() => undefined);
    if (!stats?.isFile()) continue;
    if (isContent) contents.push({ name, size: stats.size, mtimeMs: stats.mtimeMs });
    else if (await removeOlder(folder, name, now - dayMs, limits.inTurn)) removed++;
  }

  let total = contents.reduce((sum, { size }) => sum + size, 0);
  const spareMs = () => (total > limits.maxBytes ? Math.min(limits.maxAgeMs, hourMs) : limits.maxAgeMs);
  const old = contents.filter(({ mtimeMs }) => mtimeMs <= now - spareMs());
  if (old.length === 0) return removed;
  const needed = await limits.needed();
  const lastMs = ({ name, mtimeMs }: { name: string; mtimeMs: number }) =>
    Math.max(mtimeMs, needed.get(name) ?? 0);
  old.sort((a, b) => lastMs(a) - lastMs(b));
  for (const content of old) {
    const thanMs = now - spareMs();
    // Those that follow were needed later still.
    if (lastMs(content) > thanMs) break;
    if (!(await removeOlder(folder, content.name, thanMs, limits.inTurn))) continue;
    total -= content.size;
    removed++;
  }
  return removed;
}

/** Looks once more in its turn: the content may have been put again since. */
function removeOlder(folder: string, name: string, thanMs: number, inTurn: Turns): Promise<boolean> {
  return inTurn(async () => {
    const file = path.join(folder, name);
    const stats = await stat(file).catch(() => undefined);
    if (!stats || stats.mtimeMs > thanMs) return false;
    await rm(file, { force: true });
    return true;
  });
}
