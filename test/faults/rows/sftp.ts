import type { Moment } from "../../support/fault-proxy";
import { mostAttempts } from "../play";
import { type FaultRow, usualBytes } from "../row";
import { closed, damaged, during, reset, silent } from "../symptoms/sftp";
import type { Symptom } from "../symptoms/symptom";
import type { Times } from "./ftp";

type Loss = "reset" | "finish" | "silence";
const losses: readonly Loss[] = ["reset", "finish", "silence"];
const doings = Object.values(during);
/** In an encrypted stream it is chance at which message a byte comes. */
const anyLoss: Record<Loss, readonly Symptom[]> = {
  reset: [reset, ...doings.map(closed)],
  finish: [reset, ...doings.map(closed)],
  silence: doings.map(silent),
};

const connecting: { phase: string; when: Moment }[] = [
  { phase: "connecting", when: { at: "connect" } },
  { phase: "the greeting", when: { at: "byte", n: 0, from: "server" } },
  { phase: "the key exchange", when: { at: "byte", n: 200, from: "client" } },
  { phase: "logging in", when: { at: "byte", n: 1_800, from: "client" } },
];
const sending: { phase: string; when: Moment }[] = [
  { phase: "the middle", when: { at: "byte", n: usualBytes / 2, from: "client" } },
  { phase: "the last bytes", when: { at: "byte", n: usualBytes, from: "client" } },
];

/** A small file goes in one message; then come flushing, size and renaming, each its own. */
const small = { size: 10_000 };
const after: { phase: string; when: Moment; note: RegExp }[] = [
  {
    phase: "the answer to the upload",
    when: { at: "message", n: 1, from: "server" },
    note: /upload complete/,
  },
  {
    phase: "the answer to the flushing",
    when: { at: "message", n: 2, from: "server" },
    note: /upload complete/,
  },
  {
    phase: "the answer about the size",
    when: { at: "message", n: 3, from: "server" },
    note: /upload complete/,
  },
  { phase: "asking to rename", when: { at: "message", n: 3, from: "client" }, note: /upload complete/ },
  {
    phase: "the answer to the renaming",
    when: { at: "message", n: 4, from: "server" },
    note: /in its place/,
  },
];

export function sftpLosses({ silenceMs }: Times): FaultRow[] {
  const rows: FaultRow[] = [];
  for (const fault of losses) {
    const silence = fault === "silence";
    const says = anyLoss[fault];
    for (const [phases, option] of [
      [connecting, "connectTimeoutMs"],
      [sending, "idleTimeoutMs"],
    ] as const) {
      for (const { phase, when } of phases) {
        rows.push({
          ...{ phase, fault, proxy: { when, do: fault }, ends: "delivered", says },
          ...(silence ? { connection: { [option]: silenceMs }, attempts: { atLeast: 2 } } : { attempts: 2 }),
        });
      }
    }
    for (const { phase, when, note } of after) {
      rows.push({
        ...{ ...small, phase, fault, proxyAtEnd: { when, do: fault }, ends: "delivered", note, says },
        ...(silence
          ? { connection: { idleTimeoutMs: silenceMs }, attempts: { atLeast: 1 } }
          : { attempts: 1 }),
      });
    }
  }
  return [...rows, ...others];
}

const others: FaultRow[] = [
  ...[...connecting, ...sending].map(
    ({ phase, when }): FaultRow => ({
      ...{ phase, fault: "reset each time", proxy: { when, do: "reset", times: Infinity } },
      ...{ ends: "gave-up", attempts: mostAttempts, says: anyLoss.reset },
    }),
  ),
  ...sending.map(
    ({ phase, when }): FaultRow => ({
      ...{ phase, fault: "damaged", proxy: { when, do: "corrupt" }, ends: "delivered", attempts: 2 },
      says: [damaged, ...anyLoss.reset],
    }),
  ),
  {
    ...{ phase: "the transfer", fault: "slow", ends: "delivered", attempts: 1 },
    proxy: { when: { at: "byte", n: 4_000, from: "client" }, do: { bytesPerSecond: 250_000 } },
  },
];
