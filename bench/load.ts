/**
 * What loading the palette adds to Node-RED's start: `npx tsx bench/load.ts [rounds]`.
 * Each round starts a bare Node-RED and one with the packed package installed, in turn, so that both
 * see the same machine. Fails when the median of the differences is 60 ms or 15 MB.
 */
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackage } from "../test/support/installed-package";
import { startNodeRed } from "../test/support/node-red-process";
import { provideRuntime, type Runtime, runtimeNames } from "../test/support/runtimes";

const limitMs = 60;
const limitMegabytes = 15;
const rounds = Number(process.argv[2] ?? 15);

interface Start {
  ms: number;
  /** What it computed for that: it hardly depends on what else the machine does. */
  cpuMs: number;
  megabytes: number;
}

async function main(): Promise<void> {
  const { folder } = await installPackage();
  const modules = join(folder, "node_modules");
  let over = false;
  for (const name of runtimeNames) {
    const runtime = await provideRuntime(name);
    // Fills the disk cache.
    await measure(runtime, undefined);
    await measure(runtime, modules);
    const pairs: [bare: Start, loaded: Start][] = [];
    for (let round = 0; round < rounds; round++) {
      pairs.push([await measure(runtime, undefined), await measure(runtime, modules)]);
    }
    over = report(name, pairs) || over;
  }
  process.exitCode = over ? 1 : 0;
}

/** @param modules a node_modules with the package and all it depends on, as in a user's folder */
async function measure(runtime: Runtime, modules: string | undefined): Promise<Start> {
  const userDir = await mkdtemp(join(tmpdir(), "bench-load-"));
  if (modules !== undefined) await symlink(modules, join(userDir, "node_modules"));
  const startedAt = performance.now();
  const nodeRed = await startNodeRed({ runtime, userDir, packageFolder: null, flows: [] });
  const ms = performance.now() - startedAt;
  const cpuMs = await cpuMsOf(nodeRed.pid);
  const megabytes = (await nodeRed.peakRssBytes()) / 1e6;
  const loaded = (await nodeRed.get<{ module: string }[]>("/nodes")).some(
    ({ module }) => module === "@data-distribution/node-red",
  );
  await nodeRed.stop();
  await rm(userDir, { recursive: true });
  if (loaded !== (modules !== undefined)) throw new Error(`The palette was ${loaded ? "" : "not "}loaded.`);
  return { ms, cpuMs, megabytes };
}

/** proc_pid_stat(5): utime and stime, in ticks of 10 ms. */
async function cpuMsOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function report(name: string, pairs: [Start, Start][]): boolean {
  const of = (measured: (pair: [Start, Start]) => number) => median(pairs.map(measured));
  const addedMs = of(([bare, loaded]) => loaded.ms - bare.ms);
  const addedMegabytes = of(([bare, loaded]) => loaded.megabytes - bare.megabytes);
  const addedCpuMs = of(([bare, loaded]) => loaded.cpuMs - bare.cpuMs);
  const ratio = of(([bare, loaded]) => loaded.ms / bare.ms);
  console.log(`${name}, medians of ${pairs.length} pairs`);
  console.log(
    `  bare:   ${of(([bare]) => bare.ms).toFixed(0)} ms, ${of(([bare]) => bare.megabytes).toFixed(1)} MB`,
  );
  console.log(`  loaded: ${of(([, l]) => l.ms).toFixed(0)} ms, ${of(([, l]) => l.megabytes).toFixed(1)} MB`);
  console.log(`  added:  ${addedMs.toFixed(0)} ms (×${ratio.toFixed(3)}), ${addedMegabytes.toFixed(1)} MB`);
  console.log(`  computed: ${addedCpuMs.toFixed(0)} ms more`);
  return addedMs >= limitMs || addedMegabytes >= limitMegabytes;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

void main();
