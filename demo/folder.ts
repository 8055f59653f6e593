import { link, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { createSqliteStore, Delivery } from "../src/lib";
import { storeFileOf } from "./node-red/user-folder";

/** Where everything is that the demo makes. */
export interface DemoFolder {
  readonly path: string;
  /** What a demo that was killed has not brought to an end; without any the folder is empty. */
  readonly left: readonly Delivery[];
  /** Whether another demo has the one that stays. */
  readonly taken: boolean;
  /** Removes it; with `keep` only if the next demo would not find it anyway. */
  close(settings: { keep: boolean }): Promise<void>;
}

const parentFolder = join(__dirname, "../.cache");
/** One that is ending has time to do so. */
const ownerEndsMs = 5_000;
const lookEveryMs = 100;
const pageSize = 1_000;

/** With `lasting` the one folder that stays when the demo is killed, unless another demo is using it. */
export async function openFolder(lasting: boolean): Promise<DemoFolder> {
  const path = join(parentFolder, "demo");
  if (!lasting || !(await becomeOwner(path))) {
    const own = await mkdtemp(join(tmpdir(), "data-distribution-demo-"));
    return { path: own, left: [], taken: lasting, close: () => remove(own) };
  }
  const left = await readLeft(path);
  const content = join(path, "content");
  if (left.length === 0) await remove(content);
  await mkdir(content, { recursive: true, mode: 0o700 });
  return {
    path: content,
    left,
    taken: false,
    async close({ keep }) {
      if (keep) return;
      // Under another name nobody takes it while it is being removed.
      const ended = join(parentFolder, `demo-ended-${process.pid}`);
      await rename(path, ended);
      await remove(ended);
    },
  };
}

/** @returns false while another demo is the owner */
async function becomeOwner(path: string): Promise<boolean> {
  const file = join(path, "owner");
  const mine = join(path, `owner-is-${process.pid}`);
  const deadlineMs = performance.now() + ownerEndsMs;
  for (;;) {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await writeFile(mine, String(process.pid));
    try {
      // Unlike a file that is written, it is never there without its content.
      await link(mine, file);
      return true;
    } catch (error) {
      // ENOENT: the last demo has just removed all of it.
      if (!["EEXIST", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    } finally {
      await rm(mine, { force: true });
    }
    const owner = await readFile(file, "utf8").catch(() => "");
    if (owner !== "" && !(await isDemo(Number(owner)))) await takeAway(file, owner);
    else if (performance.now() > deadlineMs) return false;
    else await sleep(lookEveryMs);
  }
}

/** Two demos may find the same dead owner at once: the later one may only take away what it has seen. */
async function takeAway(file: string, owner: string): Promise<void> {
  const away = `${file}-${process.pid}`;
  try {
    await rename(file, away);
  } catch {
    return;
  }
  if ((await readFile(away, "utf8")) === owner) await rm(away);
  else await rename(away, file);
}

/** Other programs get the ids of those that have ended. */
async function isDemo(pid: number): Promise<boolean> {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
  return commandLine === undefined || commandLine.includes("demo/main.ts");
}

/** What has not ended, and what nobody was told of yet. */
async function readLeft(path: string): Promise<Delivery[]> {
  const file = storeFileOf(join(path, "content"));
  if (!(await readFile(file).catch(() => undefined))) return [];
  // The built one, as Node-RED uses it: not every Node.js runs its thread from the source.
  const library = createRequire(__filename)("../dist/lib") as { createSqliteStore: typeof createSqliteStore };
  const store = library.createSqliteStore({ file });
  try {
    const { deliveries } = await store.list({}, { limit: pageSize });
    return deliveries.filter(
      ({ state, announced }) => !announced || ["queued", "sending", "waiting"].includes(state),
    );
  } finally {
    await store.close();
  }
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
