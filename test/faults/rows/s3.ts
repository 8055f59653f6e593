import type { InjectedAnswer, S3Hook, S3Injection, S3Operation } from "../../../demo/servers/s3";
import { retryableKinds } from "../../../src/lib";
import type { Fault, Moment } from "../../support/fault-proxy";
import { mostAttempts } from "../play";
import { type FaultRow, usualBytes } from "../row";
import { damaged, notStored, refusals, reset, silent, unreachable } from "../symptoms/s3";
import type { Times } from "./ftp";

const mebibyte = 1024 * 1024;
const inParts = { size: 10 * mebibyte + 1 };
const losses = ["reset", "finish", "silence"] as const;

interface Phase {
  phase: string;
  when: Moment;
  leaves?: RegExp;
}

/** Of a file in one request; the client's own head is less than 4,000 bytes. */
const whole: Phase[] = [
  { phase: "connecting", when: { at: "connect" } },
  { phase: "asking to store", when: { at: "request", like: /^PUT/ } },
  { phase: "the first bytes", when: { at: "byte", n: 4_000, from: "client" } },
  { phase: "the middle", when: { at: "byte", n: usualBytes / 2, from: "client" } },
  { phase: "the last bytes", when: { at: "byte", n: usualBytes, from: "client" } },
  { phase: "the answer", when: { at: "answer", to: /^PUT/ } },
  { phase: "the middle of the answer", when: { at: "byte", n: 100, from: "server" } },
  { phase: "the answer to the look afterwards", when: { at: "answer", to: /^HEAD/ } },
];

/** Of a file in three parts. */
const parts: Phase[] = [
  { phase: "parts: beginning", when: { at: "request", like: /^POST \S+\?uploads/ } },
  {
    ...{ phase: "parts: the answer to the beginning", when: { at: "answer", to: /^POST \S+\?uploads/ } },
    // An upload without parts, whose name nobody was told.
    leaves: /^upload:/,
  },
  { phase: "parts: asking to store one", when: { at: "request", like: /^PUT \S+partNumber=2/ } },
  { phase: "parts: the middle of one", when: { at: "byte", n: 3 * mebibyte, from: "client" } },
  { phase: "parts: the answer to one", when: { at: "answer", to: /^PUT \S+partNumber=2/ } },
  { phase: "parts: completing", when: { at: "request", like: /^POST \S+\?uploadId/ } },
  { phase: "parts: the answer to the completing", when: { at: "answer", to: /^POST \S+\?uploadId/ } },
  { phase: "parts: the answer to the look afterwards", when: { at: "answer", to: /^HEAD/ } },
];

/** Connections lost in every way at every step: the client sends again within the same attempt. */
export function s3Losses({ silenceMs }: Times): FaultRow[] {
  const rows: FaultRow[] = [];
  const cases = [...whole, ...parts.map((phase) => ({ ...phase, ...inParts }))];
  for (const { phase, when, ...size } of cases) {
    for (const fault of losses) {
      const row = {
        phase,
        fault,
        ...size,
        proxy: { when, do: fault },
        ends: "delivered",
        note: anyNote,
      } as const;
      if (fault !== "silence") rows.push({ ...row, attempts: 1 });
      else {
        const connection = { connectTimeoutMs: silenceMs, idleTimeoutMs: silenceMs };
        rows.push({ ...row, connection, attempts: { atLeast: 1 }, says: [silent, unreachable] });
      }
    }
  }
  return [...rows, ...eachTime()];
}

/** An answer that was lost is found out about by a look, or by sending again; both are right. */
const anyNote = /^$|sent again|the content is there|delivered it/;

function eachTime(): FaultRow[] {
  const always = (when: Moment): Fault => ({ when, do: "reset", times: Infinity });
  const gaveUp = { ends: "gave-up", attempts: mostAttempts, says: [reset] } as const;
  const fault = "reset each time";
  return [
    ...whole
      .slice(0, 5)
      .map(({ phase, when }): FaultRow => ({ phase, fault, proxy: always(when), ...gaveUp })),
    {
      ...{ phase: "the answer", fault, proxy: always({ at: "answer", to: /^PUT/ }) },
      ...{ ends: "delivered", attempts: 1, note: /answer was lost, but the content is there/ },
    },
    {
      ...{ phase: "the answer to the look afterwards", fault, proxy: always({ at: "answer", to: /^HEAD/ }) },
      ...{ ends: "delivered", attempts: 1, note: /could not be looked at/ },
    },
    {
      ...{ ...inParts, phase: "parts: asking to store one", fault },
      ...{ proxy: always({ at: "request", like: /^PUT \S+partNumber=2/ }), ...gaveUp },
    },
    {
      ...{ ...inParts, phase: "parts: the answer to the completing", fault },
      ...{ proxy: always({ at: "answer", to: /^POST \S+\?uploadId/ }) },
      ...{ ends: "delivered", attempts: 1, note: /answer was lost, but the content is there/ },
    },
  ];
}

/** Damage, delay and slowness. */
export const s3Weather: FaultRow[] = [
  ...[4_000, usualBytes / 2, usualBytes].map(
    (n): FaultRow => ({
      ...{
        phase: `byte ${n}`,
        fault: "damaged",
        proxy: { when: { at: "byte", n, from: "client" }, do: "corrupt" },
      },
      ...{ ends: "delivered", attempts: 2, says: [damaged] },
    }),
  ),
  {
    ...{ ...inParts, phase: "parts: the middle of one", fault: "damaged" },
    proxy: { when: { at: "byte", n: 3 * mebibyte, from: "client" }, do: "corrupt" },
    ...{ ends: "delivered", attempts: 2, says: [damaged] },
  },
  {
    ...{ phase: "the middle", fault: "damaged each time" },
    proxy: { when: { at: "byte", n: usualBytes / 2, from: "client" }, do: "corrupt", times: Infinity },
    ...{ ends: "gave-up", attempts: { atLeast: 3 }, says: [damaged, reset] },
  },
  {
    ...{ phase: "the transfer", fault: "slow" },
    proxy: { when: { at: "byte", n: 4_000, from: "client" }, do: { bytesPerSecond: 250_000 } },
    ...{ ends: "delivered", attempts: 1 },
  },
  ...[...whole, ...parts]
    .filter(({ when }) => when.at === "answer")
    .map(
      ({ phase, when }): FaultRow => ({
        ...{ phase, fault: "late", proxy: { when, do: { delayMs: 700 } }, ends: "delivered", attempts: 1 },
        ...(phase.startsWith("parts") && inParts),
      }),
    ),
];

const publishing: readonly string[] = ["PutObject", "CompleteMultipartUpload"] satisfies S3Operation[];

/** @param times the client itself sends a request three times before the attempt fails */
function onPublishing(fault: S3Injection, times: number): S3Hook {
  let left = times;
  return ({ operation }) => (publishing.includes(operation) && left-- > 0 ? fault : undefined);
}

/** What the server says no with, each time: it decides whether another attempt is made. */
export const s3Refusals: FaultRow[] = refusals.flatMap(
  ({ status, retryAfter, body, ...symptom }): FaultRow[] => {
    const { kind, code, maxAttempts = mostAttempts, retryAfterMs = 0 } = symptom;
    const answer: InjectedAnswer = {
      ...{ status, message: "As the test wants it" },
      ...(body === undefined ? { code } : { body }),
      ...(retryAfter !== undefined && { headers: { "retry-after": retryAfter } }),
    };
    const again = retryableKinds.includes(kind) && retryAfterMs < 60_000;
    const row = { phase: "the answer", says: [symptom] };
    const refused = {
      ...row,
      fault: `${symptom.code} each time`,
      server: onPublishing({ answer }, Infinity),
    };
    const rows: FaultRow[] = [
      { ...refused, ends: "gave-up", attempts: again ? Math.min(maxAttempts, mostAttempts) : 1 },
    ];
    if (again && symptom.maxAttempts === undefined) {
      // One more than the client itself makes up for, if it does.
      const server = onPublishing({ answer }, 3);
      const fault = `${code} for a while`;
      rows.push({ ...row, fault, server, ends: "delivered", attempts: { atLeast: 2 } });
    }
    return rows;
  },
);

const spoilt: [string, InjectedAnswer][] = [
  ["500", { status: 500, code: "InternalError" }],
  ["502 in HTML", { status: 502, body: "<html>Bad gateway</html>" }],
  ["200 with an error", { status: 200, code: "InternalError" }],
  ["200 with HTML", { status: 200, body: "<html>Welcome to the hotel</html>" }],
  ["200 with nothing", { status: 200, body: "" }],
];

/** The work is done, and each answer is spoilt: the content is looked for and found. */
export const s3SpoiltAnswers: FaultRow[] = [
  ...spoilt.map(
    ([fault, lastAnswer]): FaultRow => ({
      ...{
        phase: "the answer",
        fault: `${fault}, but the work is done`,
        server: onPublishing({ lastAnswer }, Infinity),
      },
      ...{ ends: "delivered", attempts: 1, note: anyNote },
    }),
  ),
  ...spoilt.map(
    ([fault, lastAnswer]): FaultRow => ({
      ...{ ...inParts, phase: "parts: the answer", fault: `${fault}, but the work is done` },
      ...{ server: onPublishing({ lastAnswer }, Infinity), ends: "delivered", attempts: 1, note: anyNote },
    }),
  ),
  {
    ...{ phase: "the answer", fault: "200 with HTML, and nothing is done, each time" },
    server: onPublishing({ answer: { status: 200, body: "<html>Welcome to the hotel</html>" } }, Infinity),
    ...{ ends: "gave-up", attempts: mostAttempts, says: [notStored] },
  },
];
