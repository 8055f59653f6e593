import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { ServerStoreOptions } from "../../src/lib";
import { createAuthority } from "./certificates";
import { freePort } from "./free-port";

const run = promisify(execFile);

export interface DatabaseServer {
  readonly port: number;
  /** PEM; the authority of its certificate, which is for localhost. */
  readonly ca: string;
  /** How to reach a new, empty database, as a user who may do all there and nothing elsewhere. */
  createDatabase(): Promise<ServerStoreOptions>;
  /** Gives the output of a statement that the administrator has done. */
  query(sql: string, database?: string): Promise<string>;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Ends it in order; its clients lose their connections. */
  shutDown(): Promise<void>;
  /** Starts it again, on the same port, with what it has kept. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What tells one database from another. */
export interface ServerProgram {
  kind: ServerStoreOptions["kind"];
  /** Under whose name it runs when root starts it: most of them refuse to be root. */
  systemUser: string;
  /** What has it end without waiting for its clients. */
  shutDownSignal: NodeJS.Signals;
  prepare(place: ServerPlace): [program: string, args: string[]];
  serve(place: ServerPlace): [program: string, args: string[]];
  query(place: ServerPlace, sql: string, database: string | undefined): [program: string, args: string[]];
  createUser(user: string, password: string): string[];
  createDatabase(name: string, user: string): string[];
}

export interface ServerPlace {
  folder: string;
  port: number;
  certificateFile: string;
  keyFile: string;
}

// With all that has a meaning in an address or a shell.
const password = "p+%w0&r)d /'@:#";
const user = "delivery";

/** Starts a database server on a free port of 127.0.0.1, with data of its own. */
export async function startDatabaseServer(program: ServerProgram): Promise<DatabaseServer> {
  const folder = await mkdtemp(join(tmpdir(), `${program.kind}-`));
  const identity = identityOf(program.systemUser);
  const { place, ca } = await furnish(folder, identity);
  let server: ChildProcess | undefined;
  let databases = 0;

  const query = async (sql: string, database?: string) => {
    const [client, args] = program.query(place, sql, database);
    return (await run(client, args, { ...identity, cwd: folder })).stdout.trim();
  };
  const start = async () => {
    const [command, args] = program.serve(place);
    const started = spawn(command, args, { ...identity, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    server = started;
    // A test run that is broken off must not leave it running.
    const killAtExit = () => started.kill("SIGKILL");
    process.once("exit", killAtExit);
    started.once("exit", () => process.off("exit", killAtExit));
    await untilReady(started, () => query("select 1"));
  };
  const end = async (signal: NodeJS.Signals) => {
    const ended = server && once(server, "exit");
    const children = signal === "SIGKILL" ? childrenOf(server?.pid) : [];
    server?.kill(signal);
    server = undefined;
    await ended;
    // They would see only in a while that they are alone, and the next server cannot start beside them.
    for (const child of children) await endProcess(child);
  };

  try {
    const [command, args] = program.prepare(place);
    await run(command, args, { ...identity, cwd: folder });
    await start();
    for (const sql of program.createUser(user, password)) await query(sql);
  } catch (error) {
    await end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    port: place.port,
    ca,
    query,
    start,
    kill: () => end("SIGKILL"),
    shutDown: () => end(program.shutDownSignal),
    async createDatabase() {
      const database = `deliveries_${++databases}`;
      for (const sql of program.createDatabase(database, user)) await query(sql);
      return {
        ...{ kind: program.kind, host: "127.0.0.1", port: place.port, database, user, password },
        ...{ security: "none", ca: undefined, verifyCertificate: true },
        ...{ connectTimeoutMs: 10_000, maxConnections: 5, leaseMs: 30_000 },
      };
    },
    async stop() {
      await end(program.shutDownSignal);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL has a process for each connection. */
function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

async function endProcess(pid: number): Promise<void> {
  try {
    for (let looks = 0; looks < 500; looks++) {
      process.kill(pid, "SIGKILL");
      // A zombie holds nothing any more.
      if (/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) return;
      await sleep(10);
    }
  } catch {
    // It is gone.
  }
}

interface Identity {
  uid?: number;
  gid?: number;
}

function identityOf(systemUser: string): Identity {
  if (process.getuid?.() !== 0) return {};
  const numberOf = (flag: string) => Number(execFileSync("id", [flag, systemUser], { encoding: "utf8" }));
  return { uid: numberOf("-u"), gid: numberOf("-g") };
}

async function furnish(folder: string, { uid, gid }: Identity): Promise<{ place: ServerPlace; ca: string }> {
  const authority = await createAuthority();
  const { key, cert } = await authority.issue();
  const place = {
    folder,
    port: await freePort(),
    certificateFile: join(folder, "cert.pem"),
    keyFile: join(folder, "key.pem"),
  };
  await writeFile(place.certificateFile, cert);
  await writeFile(place.keyFile, key, { mode: 0o600 });
  await writeFile(join(folder, "ca.pem"), authority.ca);
  await mkdir(join(folder, "data"), 0o700);
  await chmod(folder, 0o700);
  if (uid !== undefined && gid !== undefined) {
    for (const name of ["", "cert.pem", "key.pem", "ca.pem", "data"])
      await chown(join(folder, name), uid, gid);
  }
  return { place, ca: authority.ca };
}

async function untilReady(server: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream?.on("data", (chunk) => {
      output = (output + chunk).slice(-4_000);
    });
  }
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(100)) {
    if (server.exitCode !== null) throw new Error(`The server ended at once: ${output.trim()}`);
    if (await ask().then(Boolean, () => false)) return;
  }
  throw new Error(`The server was not ready within 30 s: ${output.trim()}`);
}
