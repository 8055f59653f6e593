import type { FtpSession } from "./session";

/** A fault to inject into one command. Without any field the command works as usual. */
export interface FtpInjection {
  /** Waits before anything else. */
  delayMs?: number;
  /** Answers this and does nothing: `450 Busy`. After a 421 the connection is closed. */
  reply?: string;
  /** Cuts the connection before the work is done, or after it, instead of its last reply. */
  drop?: "before" | "after";
  /** Does the work and answers this at the end: `426 Connection closed`. */
  lastReply?: string;
  /** Does the work and waits before its last reply. */
  lastReplyDelayMs?: number;
  /** STOR, APPE: stores no more than this and says 226 all the same. */
  keepBytes?: number;
  /** STOR, APPE: after this many bytes the data connection is closed, and 426 answered. */
  closeDataAfterBytes?: number;
  /** STOR, APPE: after this many bytes control and data connection are cut. */
  dropAfterBytes?: number;
  /** STOR, APPE: after this many bytes nothing is read any more. */
  stallAfterBytes?: number;
}

/**
 * Called for each command before it is carried out; `CONNECT` stands for a new connection.
 * @param command in capitals
 */
export type FtpHook = (
  command: string,
  argument: string,
  session: FtpSession,
) => FtpInjection | undefined | Promise<FtpInjection | undefined>;
