// `npm run demo`: servers, Node-RED and the stories of examples/, and a check of what comes of them.
import { type DemoArguments, readArguments } from "./arguments";
import { checkRun, type Demo, type Finding, mailsThatCameTwice } from "./check-run";
import { startNodeRed } from "./node-red";
import { openPlayground } from "./playground";
import { printRun, printServers, printSummary, printTitle, printWaiting } from "./printing";
import { loadStories, runs } from "./stories";

const parentCheckMs = 1_000;

async function runDemo(settings: DemoArguments, signal: AbortSignal): Promise<number> {
  const stories = loadStories();
  printTitle();
  const playground = await openPlayground();
  try {
    const { folder, env } = playground;
    const nodeRed = await startNodeRed({ ...settings, folder, env, flows: stories.flows, signal });
    try {
      printServers(playground, nodeRed, settings.port);
      const demo: Demo = { nodeRed, playground, stories, expectedMails: new Set() };
      return await Promise.race([perform(demo, settings, signal), nodeRed.ended, whenAborted(signal)]);
    } finally {
      await nodeRed.stop();
    }
  } finally {
    await playground.close();
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
  return new Promise(() => {});
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
  const end = () => ending.abort();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, end);
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
    console.log(
      `\nThe demo was ended${settings?.once ? " before everything was shown" : ""}; nothing of it is left.`,
    );
    return settings?.once ? 1 : 0;
  }
}

void main().then((code) => process.exit(code));
