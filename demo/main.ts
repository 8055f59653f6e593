// `npm run demo`: servers, Node-RED and the stories of examples/, and a check of what comes of them.
import { type DemoArguments, readArguments } from "./arguments";
import { carryOn } from "./carry-on";
import { checkRun, type Demo, type Finding, mailsThatCameTwice } from "./check-run";
import { openFolder } from "./folder";
import { startNodeRed } from "./node-red";
import { openPlayground } from "./playground";
import { printRun, printServers, printSummary, printTaken, printTitle, printWaiting } from "./printing";
import { loadStories, runs } from "./stories";
import { watch } from "./watch";

const parentCheckMs = 250;
/** Nobody has asked for the end: whoever was to be told is gone. */
const nobodyLeft = "nobody left";

async function runDemo(settings: DemoArguments, signal: AbortSignal): Promise<number> {
  const stories = loadStories();
  printTitle();
  const folder = await openFolder(!settings.once);
  let keep = folder.left.length > 0;
  try {
    const playground = await openPlayground(folder.path);
    try {
      const { env } = playground;
      const options = { ...settings, folder: folder.path, env, flows: stories.flows, signal };
      const nodeRed = await startNodeRed(options);
      keep = true;
      try {
        printServers(playground, nodeRed, settings.port);
        if (folder.taken) printTaken();
        const demo: Demo = { nodeRed, playground, stories, expectedMails: new Set() };
        const performing =
          folder.left.length > 0 ? carryOn(demo, folder.left) : perform(demo, settings, signal);
        return await Promise.race([performing, nodeRed.ended, whenAborted(signal)]);
      } finally {
        await nodeRed.stop();
      }
    } finally {
      await playground.close();
    }
  } finally {
    await folder.close({ keep: signal.aborted ? signal.reason === nobodyLeft : keep });
  }
}

/** @returns the exit code; without `once` it never ends by itself */
async function perform(demo: Demo, { once }: DemoArguments, signal: AbortSignal): Promise<number> {
  const all: Finding[] = [];
  for (const run of runs) {
    const findings = await checkRun(run, demo);
    // What is missing because somebody ended the demo is not to be held against it.
    signal.throwIfAborted();
    printRun(run, findings);
    all.push(...findings);
  }
  all.push(...mailsThatCameTwice(demo.playground.smtp.messages));
  const good = printSummary(all);
  if (once) return good ? 0 : 1;
  printWaiting(demo.nodeRed);
  return watch(demo, "now");
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Aborted by a signal, or when nobody is left to read what the demo prints. */
function whenToEnd(): AbortSignal {
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => ending.abort());
  const end = () => ending.abort(nobodyLeft);
  process.stdout.on("error", end);
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && end(), parentCheckMs).unref();
  return ending.signal;
}

async function main(): Promise<number> {
  const signal = whenToEnd();
  let settings: DemoArguments | undefined;
  try {
    settings = readArguments(process.argv.slice(2));
    return await runDemo(settings, signal);
  } catch (error) {
    if (!signal.aborted) {
      console.error(`\n${(error as Error).message}`);
      return 1;
    }
    if (signal.reason === nobodyLeft) return 1;
    console.log(
      `\nThe demo was ended${settings?.once ? " before everything was shown" : ""}; nothing of it is left.`,
    );
    return settings?.once ? 1 : 0;
  }
}

void main().then((code) => process.exit(code));
