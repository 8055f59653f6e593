import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { RedisStoreOptions } from "../../src/lib";
import { createAuthority } from "./certificates";
import { freePort } from "./free-port";

const run = promisify(execFile);

/** Valkey understands the same commands and settings. */
export const redisPath = process.env.REDIS_SERVER ?? "/usr/bin/redis-server";

export interface RedisServer {
  readonly port: number;
  /** Where it speaks TLS. */
  readonly tlsPort: number;
  /** PEM; the authority of its certificate, which is for localhost. */
  readonly ca: string;
  /** How to reach a new, empty database, as a user who may do all with the store's own keys. */
  createDatabase(): RedisStoreOptions;
  /** Gives the output of a command that the administrator has done. */
  command(database: number, ...words: string[]): Promise<string>;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Ends it in order. */
  shutDown(): Promise<void>;
  /** Starts it again, on the same port, with what it has kept. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

// With all that has a meaning in an address or a shell.
const password = "p+%w0&r)d /'@:#";

/**
 * Starts Debian's Redis on free ports of 127.0.0.1, with data of its own, which it logs: appendonly is yes.
 * @param settings more lines of redis.conf, or others than these
 */
export async function startRedis(settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "redis-"));
  const [port, tlsPort] = [await freePort(), await freePort()];
  const authority = await createAuthority();
  const { key, cert } = await authority.issue();
  const files = { "cert.pem": cert, "key.pem": key, "ca.pem": authority.ca };
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, name), text, { mode: 0o600 });
  const lines = {
    ...{ port, "tls-port": tlsPort, bind: "127.0.0.1", dir: folder, databases: 400, save: '""' },
    ...{ "tls-cert-file": "cert.pem", "tls-key-file": "key.pem", "tls-ca-cert-file": "ca.pem" },
    ...{ "tls-auth-clients": "no", appendonly: "yes", "latency-tracking": "no" },
    user: `delivery on ">${password}" ~{data-distribution}* +@all`,
    ...settings,
  };
  const file = join(folder, "redis.conf");
  await writeFile(
    file,
    Object.entries(lines)
      .map((line) => `${line.join(" ")}\n`)
      .join(""),
    { mode: 0o600 },
  );
  let server: ChildProcess | undefined;
  let databases = 0;

  const command = async (database: number, ...words: string[]) =>
    (await run("redis-cli", ["-p", String(port), "-n", String(database), ...words])).stdout.trim();
  const start = async () => {
    const started = spawn(redisPath, [file], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    server = started;
    // A test run that is broken off must not leave it running.
    const killAtExit = () => started.kill("SIGKILL");
    process.once("exit", killAtExit);
    started.once("exit", () => process.off("exit", killAtExit));
    await untilReady(started, () => command(0, "PING"));
  };
  const end = async (signal: NodeJS.Signals) => {
    const ended = server && once(server, "exit");
    server?.kill(signal);
    server = undefined;
    await ended;
  };
  const stop = async () => {
    await end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...{ port, tlsPort, ca: authority.ca, command, start, stop },
    createDatabase: () => ({
      ...{ kind: "redis", host: "127.0.0.1", port, database: databases++, user: "delivery", password },
      ...{ security: "none", ca: undefined, verifyCertificate: true },
      ...{ connectTimeoutMs: 10_000, leaseMs: 30_000 },
    }),
    kill: () => end("SIGKILL"),
    shutDown: () => end("SIGTERM"),
  };
}

async function untilReady(server: ChildProcess, ask: () => Promise<string>): Promise<void> {
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream?.on("data", (chunk) => {
      output = (output + chunk).slice(-4_000);
    });
  }
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(50)) {
    if (server.exitCode !== null) throw new Error(`The server ended at once: ${output.trim()}`);
    if ((await ask().catch(() => "")) === "PONG") return;
  }
  throw new Error(`The server was not ready within 30 s: ${output.trim()}`);
}
