import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { accessCommands } from "./access-commands";
import { type DataPort, secured } from "./data-port";
import { fileCommands } from "./file-commands";
import type { FtpInjection } from "./hook";
import type { FtpServerState } from "./index";
import { transferCommands } from "./transfer-commands";

/** Carries out a command and returns its last reply. */
export type FtpCommand = (session: FtpSession, argument: string) => string | Promise<string>;

const commands: Readonly<Record<string, FtpCommand>> = {
  ...accessCommands,
  ...fileCommands,
  ...transferCommands,
};

const beforeLogin = new Set(["USER", "PASS", "AUTH", "PBSZ", "PROT", "FEAT", "OPTS", "SYST", "NOOP", "QUIT"]);

const longestLineBytes = 8192;

/** One control connection, with its data connection while there is one. */
export class FtpSession {
  readonly closed: Promise<void>;
  user = "";
  loggedIn = false;
  failedLogins = 0;
  folder = "/";
  /** PROT P: data connections use TLS. */
  protectData = false;
  /** Where the next transfer starts, in bytes: REST. */
  restartAt = 0;
  /** On this machine's disk: RNFR. */
  renameFrom: string | undefined;
  dataPort: DataPort | undefined;
  /** The fault injected into the command at work. */
  injection: FtpInjection = {};
  /** Done once, after the command's last reply is on its way. */
  afterReply: (() => void | Promise<void>) | undefined;

  private socket: Socket;
  private readonly ended = new AbortController();
  private received = Buffer.alloc(0);
  private readonly waiting: string[] = [];
  private working = false;
  private resolveClosed: () => void = () => {};

  constructor(
    readonly server: FtpServerState,
    socket: Socket,
  ) {
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
    this.socket = socket;
    this.socket.setNoDelay(true);
    void this.start();
  }

  get secure(): boolean {
    return this.socket instanceof TLSSocket;
  }

  get localAddress(): string {
    return this.socket.localAddress ?? this.server.host;
  }

  /** Aborted when the session ends. */
  get signal(): AbortSignal {
    return this.ended.signal;
  }

  reply(text: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) resolve();
      else this.socket.write(`${text}\r\n`, () => resolve());
    });
  }

  /** AUTH TLS: what came in the clear after it is thrown away. */
  async upgrade(): Promise<void> {
    this.socket.off("data", this.receive).pause();
    this.received = Buffer.alloc(0);
    this.waiting.length = 0;
    await this.startTls();
    this.listen();
  }

  /** Cuts control and data connection. */
  cut(): void {
    this.ended.abort();
    this.dataPort?.close();
    this.socket.destroy();
    this.resolveClosed();
  }

  close(): Promise<void> {
    this.cut();
    return this.closed;
  }

  private async start(): Promise<void> {
    this.use(this.socket);
    if (this.server.tls?.mode === "implicit") await this.startTls();
    await this.carryOut("CONNECT", "", () => "220 Ready.");
    this.listen();
  }

  private async startTls(): Promise<void> {
    try {
      this.use(await secured(this.socket, this.server, this.signal));
    } catch {
      this.cut();
    }
  }

  private use(socket: Socket): void {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("close", () => this.cut());
  }

  private listen(): void {
    this.socket.on("data", this.receive);
  }

  private readonly receive = (chunk: Buffer): void => {
    this.received = Buffer.concat([this.received, chunk]);
    for (let end = this.received.indexOf(10); end >= 0; end = this.received.indexOf(10)) {
      const line = this.received.subarray(0, end);
      this.received = this.received.subarray(end + 1);
      this.accept(withoutTelnet(line).toString("utf8").replace(/\r$/, ""));
    }
    if (this.received.length > longestLineBytes) this.cut();
  };

  private accept(line: string): void {
    // ABOR overtakes: it is about the transfer that the queue is waiting for.
    if (/^ABOR\s*$/i.test(line)) this.dataPort?.close();
    this.waiting.push(line);
    if (!this.working) void this.work();
  }

  private async work(): Promise<void> {
    this.working = true;
    for (let line = this.waiting.shift(); line !== undefined; line = this.waiting.shift()) {
      const [, word = "", argument = ""] = /^(\S*) ?(.*)$/s.exec(line) ?? [];
      const command = word.toUpperCase();
      this.server.commands.push(command === "PASS" ? "PASS" : `${command} ${argument}`.trimEnd());
      await this.carryOut(command, argument, this.find(command));
    }
    this.working = false;
  }

  private find(command: string): FtpCommand {
    if (!this.loggedIn && !beforeLogin.has(command)) return () => "530 Please log in with USER and PASS.";
    return commands[command] ?? (() => `502 ${command} is not implemented.`);
  }

  private async carryOut(command: string, argument: string, work: FtpCommand): Promise<void> {
    try {
      const injection = (await this.server.hook?.(command, argument, this)) ?? {};
      this.injection = injection;
      await this.pause(injection.delayMs);
      if (injection.drop === "before") return this.cut();
      const reply = injection.reply ?? injection.lastReply;
      const worked = injection.reply === undefined ? await work(this, argument) : undefined;
      await this.pause(injection.lastReplyDelayMs);
      if (injection.drop === "after") return this.cut();
      const last = reply ?? worked ?? "";
      await this.reply(last);
      if (last.startsWith("421")) return this.cut();
      const after = this.afterReply;
      this.afterReply = undefined;
      await after?.();
    } catch (error) {
      // The session ended under the command; anything else is a fault of this server.
      if (!this.signal.aborted) await this.reply(`451 ${error instanceof Error ? error.message : error}`);
    }
  }

  private async pause(ms: number | undefined): Promise<void> {
    if (ms) await sleep(ms, undefined, { signal: this.signal });
  }
}

/** Drops telnet's IAC IP and IAC DM, which clients send before ABOR (RFC 959 §4.1.3). */
function withoutTelnet(line: Buffer): Buffer {
  let start = 0;
  while (line[start] === 0xff) start += 2;
  return line.subarray(start);
}
