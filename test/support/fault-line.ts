import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Deed, SetFault, Side } from "./fault";

interface Counts {
  messages: number;
  client: number;
  server: number;
}

export interface LineOptions {
  kind: "main" | "data";
  client: Socket;
  server: Socket;
  faults: () => readonly SetFault[];
  /** Sees each answer before it passes. */
  onAnswer?: (text: string) => Promise<void>;
}

const nothing: Counts = { messages: 0, client: 0, server: 0 };

/** A connection of a client to the proxy, and that of the proxy to the server. */
export class Line {
  /** Resolves when the client has closed its connection, or lost it. */
  readonly left: Promise<void>;
  /** Resolves when both are closed. */
  readonly closed: Promise<void>;
  readonly #options: LineOptions;
  readonly #counts: Counts = { ...nothing };
  /** What had passed when a fault was set. */
  readonly #bases = new WeakMap<SetFault, Counts>();
  readonly #swallowed = new Set<Side>();
  /** Faults that strike at the answer to what the client has asked last. */
  readonly #awaiting = new Set<SetFault>();
  /** The end of what the client sent before. */
  #tail: Buffer = Buffer.alloc(0);
  #silence: Promise<void> | undefined;
  #endSilence = () => {};
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
    const { client, server } = options;
    this.left = this.#join("client", client);
    this.closed = Promise.all([this.left, this.#join("server", server)]).then(() => {
      clearTimeout(this.#idleTimer);
      this.#endSilence();
    });
  }

  /** From here on a fault counts. */
  begin(fault: SetFault): void {
    this.#bases.set(fault, { ...this.#counts });
  }

  reset(): void {
    this.#options.client.resetAndDestroy();
    this.#options.server.resetAndDestroy();
  }

  /** Takes again what comes, and lets nothing of it arrive: so it is seen whether the ends have closed. */
  release(): void {
    this.#swallowed.add("client").add("server");
    this.#endSilence();
  }

  /** @returns what is still to be passed on of the chunk that came from that side */
  async perform(deed: Deed, from: Side, chunk: Buffer = Buffer.alloc(0)): Promise<Buffer | undefined> {
    if (deed === "drop") return undefined;
    if (deed === "reset") {
      this.reset();
      return undefined;
    }
    if (deed === "silence") {
      this.#silence ??= new Promise((resolve) => {
        this.#endSilence = resolve;
      });
      return this.#silence.then(() => undefined);
    }
    if (deed === "finish") {
      this.#swallowed.add("client").add("server");
      this.#options.client.end();
      this.#options.server.end();
      return undefined;
    }
    if (deed === "corrupt") chunk.writeUInt8(chunk.readUInt8(0) ^ 1, 0);
    else if ("delayMs" in deed) await sleep(deed.delayMs);
    else if ("bytesPerSecond" in deed) this.#bytesPerSecond = deed.bytesPerSecond;
    else if ("swallow" in deed) return this.#swallow(deed.swallow, from, chunk);
    else return this.#replace(deed, from);
    return chunk;
  }

  #swallow(side: Side | "both", from: Side, chunk: Buffer): Buffer | undefined {
    for (const each of ["client", "server"] as const) {
      if (side === each || side === "both") this.#swallowed.add(each);
    }
    return this.#swallowed.has(from) ? undefined : chunk;
  }

  async #replace({ replace, last }: { replace: string; last?: true }, from: Side): Promise<undefined> {
    await this.#write(from, Buffer.from(replace));
    if (last) await this.perform("finish", from);
  }

  #join(from: Side, socket: Socket): Promise<void> {
    const other = from === "client" ? this.#options.server : this.#options.client;
    let passing = Promise.resolve();
    // What is under way to the other end arrives there first, and in silence nothing does.
    const end = () => {
      passing = passing.then(() => this.#silence).then(() => void other.end());
    };
    socket.on("error", () => this.reset());
    socket.on("data", (chunk: Buffer) => {
      this.#watchIdle();
      socket.pause();
      passing = this.#pass(from, chunk).then(
        () => void socket.resume(),
        () => this.reset(),
      );
    });
    socket.on("end", end);
    return new Promise((resolve) => {
      socket.on("close", () => {
        end();
        resolve();
      });
    });
  }

  async #pass(from: Side, chunk: Buffer): Promise<void> {
    await this.#silence;
    if (this.#swallowed.has(from)) return;
    if (from === "client") this.#hear(chunk.toString("latin1", 0, 2048));
    const rest = await this.#suffer(from, chunk);
    if (from === "client") {
      this.#counts.messages++;
      this.#tail = chunk.subarray(-64);
    }
    if (!rest) return;
    if (from === "server") await this.#options.onAnswer?.(rest.toString("latin1"));
    await this.#write(from, rest);
  }

  #hear(text: string): void {
    for (const fault of this.#threatening()) {
      const { when } = fault.fault;
      if (when.at !== "answer") continue;
      if (when.to.test(text)) this.#awaiting.add(fault);
      // Anything else is the rest of what was asked, such as the content of a request over HTTP.
      else if (/^[A-Z]{3,7}[ \r]/.test(text)) this.#awaiting.delete(fault);
    }
  }

  /** Lets the faults strike whose moment has come. */
  async #suffer(from: Side, chunk: Buffer): Promise<Buffer | undefined> {
    let rest: Buffer | undefined = chunk;
    for (const fault of this.#threatening()) {
      const at = this.#momentOf(fault, from, rest);
      if (at === undefined) continue;
      fault.strike();
      await this.#write(from, rest.subarray(0, at));
      rest = await this.perform(fault.fault.do, from, rest.subarray(at));
      if (!rest) break;
    }
    return rest;
  }

  #threatening(): SetFault[] {
    const { faults, kind } = this.#options;
    return faults().filter(
      ({ fault: { line = "main", times = 1 }, strikes }) => line === kind && strikes < times,
    );
  }

  /** Where in the chunk the fault strikes, if it does. */
  #momentOf(fault: SetFault, from: Side, chunk: Buffer): number | undefined {
    const { when } = fault.fault;
    if (when.at === "byte") {
      const left = when.n - this.#since(fault)[when.from];
      return from === when.from && left < chunk.length ? Math.max(0, left) : undefined;
    }
    if (when.at === "mark") {
      // It may have begun in the chunk before.
      const tail = this.#tail.subarray(-(when.bytes.length - 1));
      const at = from === "client" ? Buffer.concat([tail, chunk]).indexOf(when.bytes) : -1;
      return at < 0 ? undefined : Math.max(0, at - tail.length);
    }
    return this.#comes(fault, from, chunk.toString("latin1", 0, 512)) ? 0 : undefined;
  }

  #comes(fault: SetFault, from: Side, text: string): boolean {
    const { when } = fault.fault;
    if (when.at === "request") return from === "client" && when.like.test(text);
    if (when.at === "answer") {
      return from === "server" && this.#awaiting.has(fault) && (when.like?.test(text) ?? true);
    }
    return when.at === "message" && from === (when.from ?? from) && this.#since(fault).messages >= when.n;
  }

  #since(fault: SetFault): Counts {
    const base = this.#bases.get(fault) ?? nothing;
    const { messages, client, server } = this.#counts;
    return {
      messages: messages - base.messages,
      client: client - base.client,
      server: server - base.server,
    };
  }

  async #write(from: Side, chunk: Buffer): Promise<void> {
    if (chunk.length === 0) return;
    if (Number.isFinite(this.#bytesPerSecond)) await sleep((chunk.length / this.#bytesPerSecond) * 1000);
    this.#counts[from] += chunk.length;
    const socket = from === "client" ? this.#options.server : this.#options.client;
    if (socket.destroyed || socket.writableEnded || socket.write(chunk)) return;
    await new Promise<void>((resolve) => {
      const onward = () => {
        socket.off("drain", onward).off("close", onward);
        resolve();
      };
      socket.on("drain", onward).on("close", onward);
    });
  }

  #watchIdle(): void {
    clearTimeout(this.#idleTimer);
    for (const fault of this.#threatening()) {
      const { when, do: deed } = fault.fault;
      if (when.at !== "idle") continue;
      this.#idleTimer = setTimeout(() => {
        fault.strike();
        void this.perform(deed, "server");
      }, when.ms);
    }
  }
}
