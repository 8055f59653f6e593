import type { Fault, Moment } from "../../support/fault-proxy";
import { mostAttempts } from "../play";
import { type FaultRow, usualBytes } from "../row";
import { closed, cut, during, reset, silent } from "../symptoms/ftp";
import type { Symptom } from "../symptoms/symptom";
import type { Times } from "./ftp";

type Loss = "reset" | "finish" | "silence";
const losses: readonly Loss[] = ["reset", "finish", "silence"];
const doings = Object.values(during);
/** Behind TLS it is chance which end notices first, and of what. */
const anyLoss: Record<Loss, readonly Symptom[]> = {
  reset: [reset, cut, ...doings.map(closed)],
  finish: [reset, cut, ...doings.map(closed)],
  silence: doings.map(silent),
};
const onData = (n: number): Pick<Fault, "when" | "line"> => ({
  line: "data",
  when: { at: "byte", n, from: "client" },
});

/** Moments of which nothing can be read: by connection, by bytes, and by messages. */
const before: (Pick<Fault, "when" | "line"> & { phase: string })[] = [
  { phase: "connecting", when: { at: "connect" } },
  { phase: "the greeting", when: { at: "byte", n: 0, from: "server" } },
  { phase: "the TLS handshake", when: { at: "byte", n: 200, from: "client" } },
  // AUTH TLS, the client's greeting and the end of the handshake have passed.
  { phase: "logging in", when: { at: "message", n: 4, from: "client" } },
  { phase: "the TLS handshake of the data connection", ...onData(200) },
  { phase: "the middle", ...onData(usualBytes / 2) },
  { phase: "the last bytes", ...onData(usualBytes - 1) },
];

/** Reading the file back takes more messages, and there are others then. */
const sizeOnly = { writer: { verify: "size" } };

const after: { phase: string; when: Moment; note: RegExp }[] = [
  {
    phase: "the reply to the upload",
    when: { at: "message", n: 0, from: "server" },
    note: /upload complete/,
  },
  { phase: "asking for the size", when: { at: "message", n: 0, from: "client" }, note: /upload complete/ },
  {
    phase: "the reply about the size",
    when: { at: "message", n: 1, from: "server" },
    note: /upload complete/,
  },
  { phase: "asking to rename", when: { at: "message", n: 2, from: "client" }, note: /upload complete/ },
  { phase: "the reply to the renaming", when: { at: "message", n: 3, from: "server" }, note: /in its place/ },
];

/** FTPS on a server that wants its TLS sessions resumed: connections are lost at every step. */
export function ftpsLosses({ silenceMs }: Times): FaultRow[] {
  const impatient = (phase: string) => {
    const connecting = ["connecting", "the greeting", "the TLS handshake"].includes(phase);
    return { connection: { [connecting ? "connectTimeoutMs" : "idleTimeoutMs"]: silenceMs } };
  };
  const rows: FaultRow[] = [];
  for (const fault of losses) {
    for (const { phase, ...moment } of before) {
      rows.push({
        ...{ phase, fault, proxy: { ...moment, do: fault }, ends: "delivered", says: anyLoss[fault] },
        ...(fault === "silence" ? { ...impatient(phase), attempts: { atLeast: 2 } } : { attempts: 2 }),
      });
    }
    for (const { phase, when, note } of after) {
      // Nothing tells the asking from the answer before it when both are waited for in silence.
      if (fault === "silence" && phase.startsWith("asking")) continue;
      rows.push({
        ...{ phase, fault, proxyAtEnd: { when, do: fault }, ends: "delivered", note, ...sizeOnly },
        ...(fault === "silence"
          ? { ...impatient(phase), attempts: { atLeast: 1 }, says: anyLoss.silence }
          : { attempts: 1 }),
      });
    }
  }
  for (const { phase, ...moment } of before.slice(0, 3)) {
    rows.push({
      ...{ phase, fault: "reset each time", proxy: { ...moment, do: "reset", times: Infinity } },
      ...{ ends: "gave-up", attempts: mostAttempts, says: [reset] },
    });
  }
  return [
    ...rows,
    {
      ...{ phase: "the middle", fault: "damaged", proxy: { ...onData(usualBytes / 2), do: "corrupt" } },
      ...{ ends: "delivered", attempts: 2, says: anyLoss.reset },
    },
    {
      ...{ phase: "the transfer", fault: "slow", proxy: { ...onData(0), do: { bytesPerSecond: 250_000 } } },
      ...{ ends: "delivered", attempts: 1 },
    },
  ];
}
