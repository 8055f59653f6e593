import type { Socket } from "node:net";
import type { Client, SFTPWrapper } from "ssh2";
import type { DeliveryError } from "../../errors";
import type { PooledSession } from "../session-pool";
import {
  classifySftpLoss,
  refusalOf,
  type SftpErrorPlace,
  type SftpStatus,
  type SftpStep,
  sftpStatus,
} from "./errors";

/** What the sessions of one connection learn about their server, so that each need not find out again. */
export interface SftpServerFacts {
  /** Requests that the server does not know. */
  readonly unknown: Set<"fsync" | "posix-rename">;
  /** Kinds of host keys that the server has but that are not pinned. */
  readonly otherKeyTypes: Set<string>;
}

export interface SftpSessionContext {
  where: string;
  secrets: readonly string[];
  facts: SftpServerFacts;
  idleTimeoutMs: number;
}

/** What the server said: what was asked for, or why not. */
export type Answer<T> = { value: T; status?: undefined } | { status: SftpStatus };
export type Done<T> = (error: Error | null | undefined, value?: T) => void;
export type Request<T> = (sftp: SFTPWrapper, done: Done<T>) => void;

type PlaceDetails = Omit<Partial<SftpErrorPlace>, "where" | "secrets" | "step">;

/** One SSH connection with one SFTP channel. Any loss makes it `doubtful`: it is never used again then. */
export class SftpSession implements PooledSession {
  readonly context: SftpSessionContext;
  /** The connection's root as an absolute path without a slash at its end. */
  root = "";
  replies = 0;
  doubtful = false;
  #sftp: SFTPWrapper | undefined;
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #pending = new Set<(error: unknown) => void>();
  #ended: unknown;

  constructor(client: Client, socket: Socket, context: SftpSessionContext) {
    this.#client = client;
    this.#socket = socket;
    this.context = context;
    // The first error names the reason; those that follow from it do not.
    client.on("error", (error) => this.#end(error));
    client.on("close", () => this.#end(new Error("The connection was closed")));
  }

  get usable(): boolean {
    return !this.doubtful && this.#ended === undefined;
  }

  /** Opens the SFTP channel, once logged in. */
  async openChannel(): Promise<void> {
    const sftp = await this.begin<SFTPWrapper>((_, done) => this.#client.sftp(done), true);
    this.#sftp = sftp;
    sftp.on("error", (error: Error) => this.#end(error));
    sftp.on("close", () => this.#end(new Error("The SFTP subsystem ended")));
  }

  /** Settles with the first call of `done`, or fails when the session ends. It has no time limit. */
  begin<T>(request: Request<T>, withoutChannel = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = (error: unknown) => {
        this.#pending.delete(fail);
        reject(error);
      };
      const sftp = this.#sftp;
      if (this.#ended !== undefined) return reject(this.#ended);
      if (!sftp && !withoutChannel) return reject(new Error("The SFTP subsystem is not open"));
      this.#pending.add(fail);
      try {
        request(sftp as SFTPWrapper, (error, value) => {
          if (error) return fail(error);
          this.#pending.delete(fail);
          resolve(value as T);
        });
      } catch (error) {
        fail(error);
      }
    });
  }

  /**
   * Makes one request. Refusals are answers too.
   * @throws DeliveryError when the session is lost, or no answer comes in time
   */
  async ask<T>(
    request: Request<T>,
    step: SftpStep,
    details: PlaceDetails = {},
    limitMs = this.context.idleTimeoutMs,
  ): Promise<Answer<T>> {
    const timer = setTimeout(() => this.#end(new Error("Timeout")), limitMs);
    try {
      const value = await this.begin(request);
      this.replies += 1;
      return { value };
    } catch (error) {
      const status = statusOf(error);
      if (!status) throw this.loss(error, step, details);
      this.replies += 1;
      return { status };
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws DeliveryError for refusals, too */
  async demand<T>(request: Request<T>, step: SftpStep, details: PlaceDetails = {}): Promise<T> {
    const answer = await this.ask(request, step, details);
    if (answer.status) throw this.refusal(answer.status, step, details);
    return answer.value;
  }

  /** Ends the session, in doubt of what it has done. */
  loss(error: unknown, step: SftpStep, details: PlaceDetails = {}): DeliveryError {
    const reason = this.#ended ?? error;
    this.#end(reason);
    return classifySftpLoss(reason, this.#place(step, details));
  }

  refusal(status: SftpStatus, step: SftpStep, details: PlaceDetails = {}): DeliveryError {
    return refusalOf(status, this.#place(step, details));
  }

  async lives(): Promise<boolean> {
    return (await this.ask<string>((sftp, done) => sftp.realpath(".", done), "connect")).status === undefined;
  }

  set idle(idle: boolean) {
    if (idle) this.#socket.unref();
    else this.#socket.ref();
  }

  close(reason?: DeliveryError): void {
    // An orderly end, where nobody waits for anything any more.
    if (!reason && this.#ended === undefined && this.#pending.size === 0) this.#client.end();
    this.#end(reason ?? new Error("The session was closed"));
  }

  #end(reason: unknown): void {
    this.doubtful = true;
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    // Lets a farewell out first, which `close` may have written.
    if (this.#socket.writableEnded) this.#socket.destroySoon();
    else this.#socket.destroy();
    for (const fail of [...this.#pending]) fail(reason);
  }

  #place(step: SftpStep, details: PlaceDetails): SftpErrorPlace {
    const { where, secrets } = this.context;
    return { ...details, step, where, secrets };
  }
}

/** The server's answer that an error of the client stands for, if it does; a lost connection is none. */
export function statusOf(error: unknown): SftpStatus | undefined {
  if (!(error instanceof Error)) return undefined;
  if (/does not support this extended request/.test(error.message)) {
    return { code: sftpStatus.unsupported, text: error.message };
  }
  const { code } = error as { code?: unknown };
  if (typeof code !== "number" || "level" in error) return undefined;
  if (code === sftpStatus.noConnection || code === sftpStatus.connectionLost) return undefined;
  return { code, text: error.message };
}
