/** A fault to inject into one command. Without any field the command works as usual. */
export interface SmtpInjection {
  /** Waits before anything else. */
  delayMs?: number;
  /** Answers this and does nothing: `450 4.7.1 Greylisted`. After a 421 the connection is closed. */
  reply?: string;
  /** Cuts the connection before the work is done, or after it, instead of the answer. */
  drop?: "before" | "after";
}

/** `DATA` stands for the whole mail, after its last byte. */
export type SmtpCommand = "CONNECT" | "AUTH" | "MAIL" | "RCPT" | "DATA";

/**
 * Called for each command before it is carried out.
 * @param argument the user of AUTH, the address of MAIL and RCPT, the Message-ID of DATA
 */
export type SmtpHook = (
  command: SmtpCommand,
  argument: string,
) => SmtpInjection | undefined | Promise<SmtpInjection | undefined>;
