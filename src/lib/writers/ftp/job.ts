import type { AttemptContext, DataSource, Receipt, Verified, WriteRequest } from "../../types";
import { type Companions, readCompanions } from "../companions";
import { notesOf } from "../conflict";
import { type Earlier, hiddenName } from "../publication";
import { splitTargetName } from "../target-name";
import type { FtpConnection } from "./connection";
import type { FtpWriterOptions } from "./options";
import type { FtpSession } from "./session";
import type { Upload } from "./transfer";

/** One attempt: what is asked for, and how far it came. It outlives the session that it began on. */
export interface Job {
  readonly connection: FtpConnection;
  readonly options: FtpWriterOptions;
  readonly source: DataSource;
  readonly request: WriteRequest;
  /** Whether the target may hold the work of an attempt before this one. */
  readonly earlier: Earlier;
  readonly context: AttemptContext;
  readonly folders: readonly string[];
  /** The final name; `keep-both` may choose another. */
  leaf: string;
  readonly temporaryLeaf: string;
  /** Where the old file waits while the new one takes its name, on servers that do not rename over a file. */
  readonly asideLeaf: string;
  /** Whether the old file may be there. */
  aside: boolean;
  /** Whether the target's folder was seen to be there. */
  folderThere: boolean;
  /** Whether the upload goes straight to the final name. */
  direct: boolean;
  upload: Upload;
  /** Where the upload goes on that an earlier attempt began; undefined until that was looked for. */
  resumedAt: number | undefined;
  /** Whether an earlier attempt's upload is still there under the temporary name. */
  leftover: boolean;
  /** Whether the server was asked to rename, so that it may have done so. */
  renaming: boolean;
  /** Whether the content is at its place: then only its companions can still fail. */
  published: boolean;
  readonly companions: Companions;
  /** The temporary name of a companion that may be there. */
  pending: string | undefined;
  verified: Verified;
  /** Whether a first pass over the source has told its progress. */
  progressTold: boolean;
  readonly notes: string[];
}

export const emptyUpload: Upload = { stage: "nothing", bytes: 0, sha256: "", digests: {} };

/** @throws DeliveryError `invalid` for a refused name */
export function createJob(
  connection: FtpConnection,
  options: FtpWriterOptions,
  source: DataSource,
  request: WriteRequest,
  earlier: Earlier,
  context: AttemptContext,
): Job {
  const segments = splitTargetName(request.target);
  return {
    connection,
    options,
    source,
    request,
    earlier,
    context,
    folders: segments.slice(0, -1),
    leaf: segments.at(-1) ?? "",
    temporaryLeaf: hiddenName(request, "part"),
    asideLeaf: hiddenName(request, "old"),
    aside: false,
    folderThere: false,
    direct: !options.temporaryName,
    upload: { ...emptyUpload },
    resumedAt: undefined,
    leftover: false,
    renaming: false,
    published: false,
    companions: readCompanions(request, options.checksumFile),
    pending: undefined,
    verified: "none",
    progressTold: false,
    notes: [],
  };
}

/** Absolute paths; `folder` is empty for the server's own root. */
export function pathsOf(session: FtpSession, job: Job) {
  const folder = [session.root, ...job.folders].join("/");
  const final = `${folder}/${job.leaf}`;
  const temporary = `${folder}/${job.temporaryLeaf}`;
  return {
    folder,
    final,
    temporary,
    aside: `${folder}/${job.asideLeaf}`,
    upload: job.direct ? final : temporary,
  };
}

export function locationOf(job: Job): string {
  return job.connection.locate([...job.folders, job.leaf].join("/"));
}

export function receiptOf(job: Job, outcome: Receipt["outcome"] = "delivered"): Receipt {
  const { bytes, sha256 } = job.upload;
  return {
    location: locationOf(job),
    outcome,
    bytes,
    sha256,
    verified: job.verified,
    notes: notesOf(job),
  };
}
