import { classifyCommonError, codeOf, DeliveryError, type ErrorKind } from "../../errors";

/** What was being done when it went wrong. */
export type FolderStep = "root" | "folder" | "look" | "write" | "read" | "publish" | "remove";

export interface FolderErrorPlace {
  step: FolderStep;
  /** The file or folder, as an absolute path. */
  path: string;
}

interface Rule {
  kind: ErrorKind;
  advice: string;
  maxAttempts?: number;
}

const noPermission: Rule = {
  kind: "denied",
  advice: "Give the user that this program runs as the permission to write there.",
};
const full: Rule = {
  kind: "local",
  advice: "There is no room left. Free some; deliveries go on by themselves.",
};
const badName: Rule = {
  kind: "rejected",
  advice: "The file system there does not take such a name. Choose another.",
};
const notAFolder: Rule = {
  kind: "rejected",
  advice: "A folder of that name is needed, but there is a file. Choose another name.",
};
const shareTrouble: Rule = {
  kind: "unavailable",
  advice: "If it goes on: check the disk, or the network and the mount of the share.",
};
const busy: Rule = { kind: "unavailable", advice: "Another program uses it. It may work later." };

/** The codes of errno(3) that file systems give, local and mounted ones. */
const rules: Readonly<Record<string, Rule>> = {
  EACCES: noPermission,
  EPERM: noPermission,
  ENOSPC: full,
  EDQUOT: { kind: "local", advice: "The quota is used up. Free some space; deliveries go on by themselves." },
  EROFS: {
    kind: "local",
    advice: "It is mounted read-only. Mount it for writing; deliveries go on by themselves.",
  },
  ENOENT: { kind: "missing", advice: "It does not exist. Make it, or let the writer make folders." },
  ENOTDIR: notAFolder,
  EISDIR: { kind: "rejected", advice: "There is a folder of that name. Choose another name for the file." },
  ENAMETOOLONG: badName,
  EINVAL: badName,
  EILSEQ: badName,
  EFBIG: { kind: "rejected", advice: "The file system there does not take files of that size." },
  ELOOP: { kind: "invalid", advice: "Its symbolic links lead in a circle." },
  EXDEV: {
    kind: "invalid",
    advice: "It lies on another file system than the folder around it. Choose another folder.",
  },
  EBUSY: busy,
  ETXTBSY: busy,
  EAGAIN: busy,
};

/** Any failure of the file system as a `DeliveryError`. An unknown one is `unavailable`, never permanent. */
export function classifyFolderError(
  error: unknown,
  place: FolderErrorPlace,
  platform: NodeJS.Platform = process.platform,
): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const code = codeOf(error);
  const rule = ruleFor(code, place, platform);
  if (!rule) {
    const common = classifyCommonError(error, `the file system of ${place.path}`);
    if (common && common.kind !== "unavailable") return common;
  }
  const { kind, advice, maxAttempts } = rule ?? shareTrouble;
  const sentence = `${failed(place)}${code === undefined ? "" : ` (${code})`}. ${advice}`;
  return new DeliveryError(kind, sentence, { code, maxAttempts, cause: error });
}

function ruleFor(
  code: string | undefined,
  { step }: FolderErrorPlace,
  platform: NodeJS.Platform,
): Rule | undefined {
  // Windows says of a file that somebody has open that it must not be replaced.
  if (platform === "win32" && step === "publish" && code === "EPERM") return busy;
  if (step === "root" && code === "ENOENT") {
    return { kind: "missing", advice: "It does not exist. Make it, or mount the share that it is on." };
  }
  if (step === "root" && code === "ENOTDIR") {
    return { kind: "invalid", advice: "It is not a folder. Choose one." };
  }
  return code === undefined ? undefined : rules[code];
}

function failed({ step, path }: FolderErrorPlace): string {
  const sentences: Record<FolderStep, string> = {
    root: `The folder ${path} cannot be used`,
    folder: `The folder ${path} cannot be made`,
    look: `Nothing can be found out about ${path}`,
    write: `The content for ${path} cannot be written`,
    read: `What was written for ${path} cannot be read again`,
    publish: `The new file cannot be given the name ${path}`,
    remove: `${path} cannot be removed`,
  };
  return sentences[step];
}

/** The file system gave no answer: a share that has gone away, as a rule. */
export function noAnswer(place: FolderErrorPlace): DeliveryError {
  return new DeliveryError(
    "unavailable",
    `${failed(place)}: the file system does not answer. ${shareTrouble.advice}`,
    {
      code: "ETIMEDOUT",
    },
  );
}
