import type { Writer } from "../../src/lib";
import type { FaultProxy } from "../support/fault-proxy";

/** What a row of the fault table plays in: a writer, and the other side as it really is. */
export interface Scene {
  readonly writer: Writer;
  /** As sentences name the other side: `the FTP server 127.0.0.1:2121`. */
  readonly where: string;
  /** A folder, or the beginning of keys, as sentences name it; empty for the root. */
  readonly path: string;
  /** Stands before the other side; absent where there is no network. */
  readonly proxy?: FaultProxy;
  /** What must never be told. */
  readonly secrets: readonly string[];
  /** How often what the server itself does wrong has struck. */
  serverStrikes?(): number;
  /** What is there now under the name; nothing goes through the proxy. */
  read(name: string): Promise<Buffer | undefined>;
  /** Everything that is there, half done uploads included. */
  list(): Promise<string[]>;
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Closes writer and connection. */
  close(): Promise<void>;
  /** Ends the other side and the proxy, once everything was looked at. */
  end(): Promise<void>;
}

/** A server, on which every row has a scene of its own. */
export interface Stage {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** @param row is different for each row, and good for a folder's name */
  scene(row: string, options: SceneOptions): Promise<Scene>;
}

export interface SceneOptions {
  connection?: Record<string, unknown>;
  writer?: Record<string, unknown>;
  /** What the server itself does wrong, as its own hook says it. */
  server?: unknown;
}
