import type { Client, FTPContext } from "basic-ftp";
import { DeliveryError } from "../../errors";
import type { PooledSession } from "../session-pool";
import { classifyFtpError, type FtpErrorPlace, type FtpReply, type FtpStep, replyOf } from "./errors";

/** What the sessions of one connection learn about their server, so that each need not find out again. */
export interface FtpServerFacts {
  /** How data connections are opened: RFC 2428 or RFC 959. */
  passive?: "EPSV" | "PASV";
  /** Commands that the server does not know. */
  readonly unknown: Set<string>;
  /** When each folder was last looked through for old temporary files, in milliseconds since the epoch. */
  readonly swept: Map<string, number>;
}

export interface FtpSessionContext {
  where: string;
  secrets: readonly string[];
  facts: FtpServerFacts;
  passiveAddress: "same" | "announced";
  connectTimeoutMs: number;
  idleTimeoutMs: number;
}

export interface PlaceDetails extends Omit<Partial<FtpErrorPlace>, "where" | "secrets" | "step" | "utf8"> {
  /** How much longer than usual the reply may take. */
  extraMs?: number;
}

/** How long a reply may lag behind the data connection that the server has cut because of it. */
const lateReplyMs = 300;

/**
 * One logged-in control connection. Paths are absolute, so that no command depends on an earlier one, and
 * are sent exactly as given. Any loss makes it `doubtful`: such a session is never used again.
 */
export class FtpSession implements PooledSession {
  readonly context: FtpSessionContext;
  /** Lines of FEAT (RFC 2389): name in upper case → parameters. */
  readonly features = new Map<string, string>();
  utf8 = false;
  /** What HASH computes in this session, once it was told. */
  hashOption: string | undefined;
  /** The connection's root as an absolute path without a slash at its end. */
  root = "";
  /** Replies since somebody took the session: 0 tells that nothing was done with it yet. */
  replies = 0;
  doubtful = false;
  readonly #client: Client;
  /** Ends what is under way. Not a promise to race with: it would keep every reply of a long session. */
  readonly #interrupts = new Set<(error: Error) => void>();
  #closedBy: Error | undefined;
  #reason: DeliveryError | undefined;

  constructor(client: Client, context: FtpSessionContext) {
    this.#client = client;
    this.context = context;
  }

  /** The client's sockets, for data connections. */
  get ftp(): FTPContext {
    return this.#client.ftp;
  }

  get usable(): boolean {
    return !this.doubtful && !this.#client.closed;
  }

  /** Sends one command. Refusals are replies too; only 421 and a lost connection throw. */
  ask(command: string, step: FtpStep, details: PlaceDetails = {}): Promise<FtpReply> {
    const send = () => {
      const answer = this.#client.sendIgnoringError(command);
      const { ftp } = this.#client;
      if (details.extraMs) ftp.socket.setTimeout(ftp.timeout + details.extraMs);
      return answer;
    };
    return this.run(send, step, details);
  }

  /**
   * Runs something on the client that ends in a reply.
   * @throws DeliveryError for 421, for a reply that the client throws, and for a lost connection
   */
  async run(
    operation: (client: Client) => Promise<{ code: number; message: string }>,
    step: FtpStep,
    details: PlaceDetails = {},
  ): Promise<FtpReply> {
    try {
      const { code, message } = await this.#untilClosed(operation);
      if (code === 421) throw this.refusal({ code, text: message }, step, details);
      this.replies += 1;
      return { code, text: message };
    } catch (error) {
      this.doubtful = true;
      throw this.failure(error, step, details);
    }
  }

  /** @throws DeliveryError for every reply but 2xx and 3xx */
  async demand(command: string, step: FtpStep, details: PlaceDetails = {}): Promise<FtpReply> {
    const reply = await this.ask(command, step, details);
    if (reply.code >= 400) throw this.refusal(reply, step, details);
    return reply;
  }

  /**
   * Sends a command that moves data, and calls `move` once the server is ready for it.
   * @returns the last reply; one from 400 on when the server refused before anything moved
   * @throws DeliveryError when it failed later, or what `move` threw when that failed first
   */
  async transfer(
    command: string,
    move: () => Promise<void>,
    step: FtpStep,
    details: PlaceDetails,
  ): Promise<FtpReply> {
    const { ftp } = this.#client;
    let moving: Promise<void> | undefined;
    let moved = false;
    let final: FtpReply | undefined;
    const operation = () =>
      ftp.handle(command, (response, task) => {
        const settle = () => {
          if (moved && final) task.resolve({ code: final.code, message: final.text });
        };
        const reply = response instanceof Error ? replyOf(response) : toReply(response);
        if (reply && reply.code >= 400 && !moving) {
          task.resolve({ code: reply.code, message: reply.text });
        } else if (response instanceof Error) {
          task.reject(response);
        } else if (reply && reply.code < 200) {
          if (moving) return;
          // From here the data connection tells whether the server is alive; this one may be silent.
          ftp.socket.setTimeout(0);
          moving = move();
          moving.then(
            () => {
              moved = true;
              ftp.socket.setTimeout(ftp.timeout);
              settle();
            },
            // The server's own reason comes after it has cut the data connection.
            (error) => setTimeout(() => task.reject(error), error instanceof DeliveryError ? 0 : lateReplyMs),
          );
        } else if (reply && reply.code < 300) {
          final = reply;
          settle();
        } else {
          task.reject(new Error(`The server asks for more after ${command.slice(0, 4)}`));
        }
      });
    return this.run(operation, step, details);
  }

  failure(error: unknown, step: FtpStep, details: PlaceDetails = {}): DeliveryError {
    return this.#reason ?? classifyFtpError(error, this.#place(step, details));
  }

  refusal(reply: FtpReply, step: FtpStep, details: PlaceDetails = {}): DeliveryError {
    return this.failure(Object.assign(new Error(reply.text), { code: reply.code }), step, details);
  }

  async lives(): Promise<boolean> {
    return (await this.ask("NOOP", "connect")).code < 400;
  }

  /** Keeps the process from waiting for an idle session. */
  set idle(idle: boolean) {
    const { socket } = this.#client.ftp;
    if (idle) socket.unref();
    else socket.ref();
  }

  /** Ends the session at once. What is under way fails with `reason`. */
  close(reason?: DeliveryError): void {
    this.doubtful = true;
    this.#reason ??= reason;
    this.#client.close();
    this.#closedBy ??= reason ?? new Error("The session was closed");
    for (const interrupt of this.#interrupts) interrupt(this.#closedBy);
  }

  /** The client leaves some operations pending for ever when it is closed, such as a TLS handshake. */
  async #untilClosed<T>(operation: (client: Client) => Promise<T>): Promise<T> {
    if (this.#closedBy) throw this.#closedBy;
    const running = withoutStackTraces(() => operation(this.#client));
    return new Promise<T>((resolve, reject) => {
      this.#interrupts.add(reject);
      running.then(resolve, reject).finally(() => this.#interrupts.delete(reject));
    });
  }

  #place(step: FtpStep, { extraMs: _, ...details }: PlaceDetails): FtpErrorPlace {
    const { where, secrets } = this.context;
    return { ...details, step, where, secrets, utf8: this.utf8 };
  }
}

/** The client makes a stack trace for each command, which for small files is a tenth of all work. */
function withoutStackTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function toReply({ code, message }: { code: number; message: string }): FtpReply {
  return { code, text: message };
}
