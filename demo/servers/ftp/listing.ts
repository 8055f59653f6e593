import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";

export type ListingStyle = "LIST" | "NLST" | "MLSD";

/**
 * The lines that a listing sends, one for each entry, or the one of a file.
 * @throws the file system's error
 */
export async function listingLines(path: string, style: ListingStyle): Promise<string[]> {
  const stats = await stat(path);
  if (!stats.isDirectory()) {
    if (style === "MLSD") throw Object.assign(new Error("It is not a folder."), { code: "ENOTDIR" });
    return [entryLine(basename(path), stats, style)];
  }
  const lines: string[] = [];
  for (const name of (await readdir(path)).sort()) {
    // Gone meanwhile, or a link that leads nowhere.
    const entry = await stat(join(path, name)).catch(() => undefined);
    if (entry) lines.push(entryLine(name, entry, style));
  }
  return lines;
}

function entryLine(name: string, stats: Stats, style: ListingStyle): string {
  if (style === "NLST") return name;
  return style === "MLSD" ? factsLine(name, stats) : unixLine(name, stats);
}

/** RFC 3659 §7: `type=file;size=12;modify=20260102030405; name`. */
export function factsLine(name: string, stats: Stats): string {
  const kind = stats.isDirectory() ? "type=dir;" : `type=file;size=${stats.size};`;
  return `${kind}modify=${timeValue(stats.mtime)}; ${name}`;
}

/** RFC 3659 §2.3, in UTC. */
export function timeValue(date: Date): string {
  return date.toISOString().replace(/\D/g, "").slice(0, 14);
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const halfAYearMs = 180 * 24 * 3600 * 1000;

/** As `ls -l` writes it, which is what every client can read. */
function unixLine(name: string, stats: Stats): string {
  const { mtime } = stats;
  const [, hours, minutes] = /T(\d\d):(\d\d)/.exec(mtime.toISOString()) ?? [];
  const recent = Math.abs(Date.now() - mtime.getTime()) < halfAYearMs;
  const time = recent ? `${hours}:${minutes}` : String(mtime.getUTCFullYear());
  return [
    stats.isDirectory() ? "drwxr-xr-x" : "-rw-r--r--",
    String(stats.nlink).padStart(4),
    "ftp     ",
    "ftp     ",
    String(stats.size).padStart(12),
    months[mtime.getUTCMonth()],
    String(mtime.getUTCDate()).padStart(2),
    time.padStart(5),
    name,
  ].join(" ");
}
