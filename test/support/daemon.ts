import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Starts a server that stays in the foreground, and waits until it accepts connections on 127.0.0.1.
 * @returns the way to end it
 */
export async function startDaemon(
  program: string,
  parameters: readonly string[],
  { port, env = process.env }: { port: number; env?: NodeJS.ProcessEnv },
): Promise<() => Promise<void>> {
  const server = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"], env });
  try {
    await untilListening(server, program, port);
  } catch (error) {
    await end(server);
    throw error;
  }
  return () => end(server);
}

async function untilListening(server: ChildProcess, program: string, port: number): Promise<void> {
  let output = "";
  server.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  server.stderr?.on("data", (chunk) => {
    output += chunk;
  });
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(50)) {
    if (server.exitCode !== null) throw new Error(`${program} ended at once: ${output.trim()}`);
    if (await accepts(port)) return;
  }
  throw new Error(`${program} did not answer within 10 s: ${output.trim()}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, "127.0.0.1");
    probe.once("connect", () => resolve(true)).once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });
}

/** The listener's sessions are processes of their own; they end with their connections. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill();
  await ended;
}
