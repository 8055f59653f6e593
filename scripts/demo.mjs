// `npm run demo`: installs and builds what is missing, then starts the demo.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { installIfStale, packageRoot, runOrExit } from "./install.mjs";

const parent = process.ppid;
const npm = parentOf(parent);
installIfStale();
runOrExit(process.execPath, ["scripts/build.mjs", "--if-stale"]);
const demo = spawn(process.execPath, ["--import", "tsx", "demo/main.ts", ...process.argv.slice(2)], {
  cwd: packageRoot,
  stdio: "inherit",
});
// Ctrl+C reaches the demo by itself, as it sits at the same terminal: it ends first, then we do.
process.on("SIGINT", () => {
  if (!process.stdin.isTTY) demo.kill("SIGINT");
});
process.on("SIGTERM", () => demo.kill("SIGTERM"));
process.on("SIGHUP", () => demo.kill("SIGHUP"));
// npm passes a SIGTERM on to its shell only, which then leaves without a word to us; nor has a kill -9 any.
// After a kill -9 of npm the shell stays. The demo ends when we do, and keeps what has not ended.
setInterval(() => {
  if (process.ppid !== parent || parentOf(parent) !== npm) process.exit(1);
}, 250).unref();
demo.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});

/** Undefined where the system does not say it in this way: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function parentOf(pid) {
  try {
    return /\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
