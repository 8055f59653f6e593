import type { DeliveryError } from "../../errors";
import { type SftpSession, statusOf } from "./session";
import type { Upload } from "./transfer";

/** Every server takes that much at once: draft-ietf-secsh-filexfer-02 §3. */
const pieceBytes = 32 * 1024;
/** What is under way at once: enough for a fast and distant server, and all that a transfer holds in memory. */
const mostUnansweredBytes = 4 * 1024 * 1024;

export interface Pipeline {
  /** Sends everything, without waiting for the last answers. */
  run(content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Waits for all answers. */
  drained(): Promise<void>;
}

interface PipelineOptions {
  session: SftpSession;
  handle: Buffer;
  path: string;
  upload: Upload;
  onProgress: (bytes: number) => void;
  /** Told at once; whoever waits is told as well. */
  onFailure: (error: DeliveryError) => void;
}

/**
 * Writes without waiting for each answer. Fails when the server refuses a write, or when it answers none for
 * the session's idle time; time in which the source has nothing to give does not count.
 */
export function createPipeline({
  session,
  handle,
  path,
  upload,
  onProgress,
  onFailure,
}: PipelineOptions): Pipeline {
  const { unanswered } = upload;
  let unansweredBytes = 0;
  let failure: DeliveryError | undefined;
  let waiting: { resolve: () => void; reject: (error: DeliveryError) => void } | undefined;
  let timer: NodeJS.Timeout | undefined;

  const stop = (error: unknown) => {
    clearTimeout(timer);
    if (failure) return;
    const status = statusOf(error);
    failure = status ? session.refusal(status, "store", { path }) : session.loss(error, "store", { path });
    waiting?.reject(failure);
    onFailure(failure);
  };
  const watch = () => {
    clearTimeout(timer);
    if (unansweredBytes === 0) return;
    timer = setTimeout(() => stop(new Error("Timeout")), session.context.idleTimeoutMs);
  };

  const send = (piece: Buffer, position: number) => {
    unanswered.set(position, piece);
    unansweredBytes += piece.length;
    if (unansweredBytes === piece.length) watch();
    session
      .begin<void>((sftp, done) =>
        sftp.write(handle, piece, 0, piece.length, position, (error) => done(error)),
      )
      .then(() => {
        unanswered.delete(position);
        unansweredBytes -= piece.length;
        onProgress(piece.length);
        watch();
        waiting?.resolve();
      }, stop);
  };
  const until = async (bytes: number) => {
    while (unansweredBytes > bytes && !failure) {
      await new Promise<void>((resolve, reject) => {
        waiting = { resolve, reject };
      });
    }
    if (failure) throw failure;
  };

  return {
    async run(content) {
      let position = 0;
      for await (const chunk of content) {
        const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
        for (let start = 0; start < bytes.length; start += pieceBytes) {
          const piece = bytes.subarray(start, start + pieceBytes);
          await until(mostUnansweredBytes - piece.length);
          send(piece, position);
          position += piece.length;
        }
      }
    },
    drained: () => until(0),
  };
}
