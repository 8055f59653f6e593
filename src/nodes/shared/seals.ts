import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import path from "node:path";
import { codeOf, DeliveryError, type FileSpec, type SourceSpec } from "../../lib";

/** Tells the files that a data source node has chosen from those that only a message names. */
export interface Seals {
  /** The source as a message carries it: its seal survives whatever happens to plain data. */
  seal(source: SourceSpec): SourceSpec & { seal?: string };
  /**
   * Takes a source that came with a message. Of a file in an allowed folder the path is the real one.
   * @param given what the source was read from
   * @throws DeliveryError `denied` for a file that nobody has chosen or allowed
   */
  check(given: unknown, source: SourceSpec): Promise<SourceSpec>;
}

export interface SealOptions {
  /** Where the key is kept, so that seals outlive a restart. Absent: they do not. */
  keyFile: string | undefined;
  /** Absolute paths of folders whose files any message may name. */
  folders: readonly string[];
}

const keyBytes = 32;

export function createSeals({ keyFile, folders }: SealOptions): Seals {
  let key: Buffer | undefined;
  const sealOf = ({ path: file, size, mtimeMs, inode }: FileSpec): Buffer => {
    key ??= readKey(keyFile);
    // With the pins: whoever gets to see a seal has it for what the file was then, and no later content.
    return createHmac("sha256", key)
      .update(JSON.stringify([file, size, mtimeMs, inode]))
      .digest();
  };
  return {
    seal: (source) =>
      source.kind === "file" ? { ...source, seal: sealOf(source).toString("base64url") } : source,
    async check(given, source) {
      if (source.kind !== "file") return source;
      const { seal } = given as { seal?: unknown };
      if (typeof seal === "string" && isSame(Buffer.from(seal, "base64url"), sealOf(source))) return source;
      const real = await realIn(folders, source.path);
      if (real !== undefined) return { ...source, path: real };
      throw notChosen(source.path, seal !== undefined);
    },
  };
}

function notChosen(file: string, isSealed: boolean): DeliveryError {
  const named = `msg.source names the file ${JSON.stringify(file)}, which is not read: `;
  const reason = isSealed
    ? "its seal does not fit. Something has changed msg.source on its way, or another Node-RED has made it, or " +
      "the key in data-distribution/files.key is another one now. Send the message anew through a data source node"
    : "no data source node of this Node-RED has chosen it. Let one name it, with a path such as {{msg.path}}";
  const folders = 'deliveryFiles: { folders: ["/srv/outgoing"] }';
  return new DeliveryError(
    "denied",
    `${named}${reason}; or allow its folder in settings.js, by ${folders}, and start Node-RED again.`,
  );
}

/**
 * In settings.js: `deliveryFiles: { folders: ["/srv/outgoing"] }`.
 * @throws DeliveryError `invalid`
 */
export function readSealedFolders(settings: object): string[] {
  const { deliveryFiles } = settings as { deliveryFiles?: { folders?: unknown } };
  const { folders = [] } = deliveryFiles ?? {};
  const isAbsolute = (folder: unknown): folder is string =>
    typeof folder === "string" && path.isAbsolute(folder);
  if (Array.isArray(folders) && folders.every(isAbsolute)) return folders;
  throw new DeliveryError(
    "invalid",
    "deliveryFiles.folders in settings.js must be a list of absolute paths.",
  );
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** The file's real path, when it is in one of the folders and no link leads out of it. */
async function realIn(folders: readonly string[], file: string): Promise<string | undefined> {
  const named = path.resolve(file);
  for (const folder of folders.filter((one) => isWithin(path.resolve(one), named))) {
    try {
      const real = await realpath(named);
      if (isWithin(await realpath(folder), real)) return real;
    } catch (error) {
      // Whoever reads it says what is wrong with it.
      if (codeOf(error) === "ENOENT") return named;
    }
  }
  return undefined;
}

function isWithin(folder: string, file: string): boolean {
  const way = path.relative(folder, file);
  return way !== "" && way !== ".." && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}

function readKey(file: string | undefined): Buffer {
  if (file === undefined) return randomBytes(keyBytes);
  const kept = readIfThere(file);
  if (kept?.length === keyBytes) return kept;
  const made = randomBytes(keyBytes);
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, made, { mode: 0o600 });
  } catch (cause) {
    throw keyProblem(file, cause);
  }
  return made;
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw keyProblem(file, cause);
  }
}

function keyProblem(file: string, cause: unknown): DeliveryError {
  const code = codeOf(cause);
  return new DeliveryError(
    "local",
    `The key in ${file}, by which files of data source nodes are known, cannot be read or kept (${code}). ` +
      "See that there is room on the disk, and that Node-RED may read and write there.",
    { code, cause },
  );
}
