import type { ErrorKind } from "../../../src/lib";
import type { Symptom } from "./symptom";

interface SystemCall extends Symptom {
  /** As in strace(1). */
  call: string;
}

const target = "{path}report.csv";
const written = `The content for ${target} cannot be written`;
const named = `The new file cannot be given the name ${target}`;
const share = "If it goes on: check the disk, or the network and the mount of the share.";

function failing(
  call: string,
  symptom: string,
  [code, kind]: readonly [code: string, kind: ErrorKind],
  [failed, advice]: readonly [failed: string, advice: string],
): SystemCall {
  return { call: `${call}:error=${code}`, symptom, kind, code, says: `${failed} (${code}). ${advice}` };
}

const room = "There is no room left. Free some; deliveries go on by themselves.";
const permission = "Give the user that this program runs as the permission to write there.";

/** What file systems say no with, at the step at which they do. */
export const refusals: readonly SystemCall[] = [
  failing("write", "The disk is full", ["ENOSPC", "local"], [written, room]),
  failing(
    "write",
    "The quota is used up",
    ["EDQUOT", "local"],
    [written, "The quota is used up. Free some space; deliveries go on by themselves."],
  ),
  failing(
    "write",
    "The server of a mounted share has forgotten the file",
    ["ESTALE", "unavailable"],
    [written, share],
  ),
  failing("write", "The disk reports an error", ["EIO", "unavailable"], [written, share]),
  failing(
    "fsync",
    "The disk reports an error when all is to be on it",
    ["EIO", "unavailable"],
    [written, share],
  ),
  failing("fsync", "A share is found to be full at the end", ["ENOSPC", "local"], [written, room]),
  failing("rename", "The renaming fails", ["EIO", "unavailable"], [named, share]),
  failing("rename", "The renaming is not permitted", ["EACCES", "denied"], [named, permission]),
  failing(
    "rename",
    "Another program holds the file open (on some shares)",
    ["EBUSY", "unavailable"],
    [named, "Another program uses it. It may work later."],
  ),
  failing("openat", "No permission in the folder", ["EACCES", "denied"], [written, permission]),
  failing(
    "openat",
    "The file system is mounted read-only",
    ["EROFS", "local"],
    [written, "It is mounted read-only. Mount it for writing; deliveries go on by themselves."],
  ),
  failing(
    "openat",
    "The file system does not take such a name",
    ["ENAMETOOLONG", "rejected"],
    [written, "The file system there does not take such a name. Choose another."],
  ),
];
