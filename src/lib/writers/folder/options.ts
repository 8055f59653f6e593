import { isAbsolute, normalize } from "node:path";
import { type OptionReader, readOptions } from "../../options";
import { type ChecksumFile, checksumFiles } from "../companions";
import { type ConflictPolicy, conflictPolicies } from "../target-name";

export const folderVerifications = ["small-files", "size", "read-back"] as const;

export interface FolderWriterOptions {
  /** The folder that all targets are below: an absolute path of this machine. It is never made. */
  root: string;
  /** Make the target's folders below the root when they are missing. */
  makeFolders: boolean;
  /** The permissions of the files, such as 0o640. Default: what this process's umask leaves of 0o666. */
  fileMode: number | undefined;
  /**
   * `size`: compare the size. `read-back`: read the file again and compare its SHA-256, too.
   * `small-files`: read files of up to 8 MiB again.
   */
  verify: (typeof folderVerifications)[number];
  /** Write a checksum of the content beside it, as `sha256sum` and `md5sum` do. */
  checksumFile: ChecksumFile;
  conflict: ConflictPolicy;
  /** For each operation of the file system: a mounted share may never answer. */
  idleTimeoutMs: number;
}

const maxTimeoutMs = 24 * 60 * 60 * 1000;

/** @throws DeliveryError `invalid` that lists every problem */
export function readFolderWriterOptions(input: unknown): FolderWriterOptions {
  return readOptions("Folder writer", input, (options) => ({
    root: readRoot(options),
    makeFolders: options.boolean("makeFolders", true),
    fileMode: readMode(options),
    verify: options.choice("verify", folderVerifications, "small-files"),
    checksumFile: options.choice("checksumFile", checksumFiles, "none"),
    conflict: options.choice("conflict", conflictPolicies, "replace"),
    idleTimeoutMs: options.number("idleTimeoutMs", { min: 100, max: maxTimeoutMs, default: 120_000 }),
  }));
}

function readRoot(options: OptionReader): string {
  const root = options.string("root");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(root)) options.problem("root must not hold control characters");
  else if (root !== "" && !isAbsolute(root)) {
    options.problem("root must be an absolute path, such as /srv/outgoing");
  }
  const path = normalize(root);
  return path.length > 1 ? path.replace(/[/\\]+$/, "") : path;
}

/** Three octal digits, as chmod(1) takes them. */
function readMode(options: OptionReader): number | undefined {
  const mode = options.optionalString("fileMode", {
    pattern: /^0?[0-7]{3}$/,
    must: "three octal digits, such as 640",
  });
  if (mode === undefined) return undefined;
  const value = Number.parseInt(mode, 8);
  if ((value & 0o600) !== 0o600) options.problem("fileMode must let the owner read and write: 6 comes first");
  return value;
}
