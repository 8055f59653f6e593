export type Side = "client" | "server";

/** When a fault strikes. Bytes and messages are counted on each connection, from when the fault was set. */
export type Moment =
  /** A client comes. */
  | { at: "connect" }
  /** So many bytes of that side have passed. */
  | { at: "byte"; n: number; from: Side }
  /** These bytes come from the client: what was before them has passed. */
  | { at: "mark"; bytes: Uint8Array }
  /** The client sends such text, at once. */
  | { at: "request"; like: RegExp }
  /** The server answers a request with such text in it. */
  | { at: "answer"; to: RegExp; like?: RegExp }
  /**
   * So many messages of the client have passed, and something comes from that side, or from either. A
   * message is what comes at once: a request, when the client waits for each answer.
   */
  | { at: "message"; n: number; from?: Side }
  /** For so long nothing has come. */
  | { at: "idle"; ms: number };

export type Deed =
  /** Both ends lose the connection. */
  | "reset"
  /** Both ends are told that the other has finished, as by a middlebox that closes in an orderly way. */
  | "finish"
  /** Nothing is taken from either end any more, as when a cable is cut. */
  | "silence"
  /** What has just come does not arrive. */
  | "drop"
  /** The next byte arrives as another one. */
  | "corrupt"
  /** From now on what that side sends is taken and does not arrive. */
  | { swallow: Side | "both" }
  /** This arrives instead. With `last` the connection is closed then. */
  | { replace: string; last?: true }
  | { delayMs: number }
  /** From now on no more than this passes. */
  | { bytesPerSecond: number };

export interface Fault {
  /** FTP's data connections, or all others, which is the default. */
  line?: "main" | "data";
  when: Moment;
  do: Deed;
  /** How often it strikes. Default: 1. */
  times?: number;
}

/** A fault that was set, and how often it has struck. */
export interface SetFault {
  readonly fault: Fault;
  readonly strikes: number;
  /** Resolves when it strikes for the first time. */
  readonly struck: Promise<void>;
  strike(): void;
}

export function setFault(fault: Fault): SetFault {
  let strikes = 0;
  let done: () => void;
  const struck = new Promise<void>((resolve) => {
    done = resolve;
  });
  return {
    fault,
    struck,
    get strikes() {
      return strikes;
    },
    strike() {
      strikes++;
      done();
    },
  };
}
