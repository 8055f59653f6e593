import type { Fault, Moment } from "../../support/fault-proxy";
import { mostAttempts } from "../play";
import { type FaultRow, usualBytes } from "../row";
import { closed, cut, type During, during, reset, short, silent } from "../symptoms/ftp";
import type { Symptom } from "../symptoms/symptom";

export interface Times {
  /** For rows in which nothing answers any more: a busy machine needs more, and so does a slow login. */
  silenceMs: number;
}

interface ControlPhase {
  phase: string;
  when: Moment;
  doing: During;
}

/** Nothing of the file has reached the server: it is tried again. */
const before: ControlPhase[] = [
  { phase: "connecting", when: { at: "connect" }, doing: during.connecting },
  { phase: "the greeting", when: { at: "byte", n: 0, from: "server" }, doing: during.connecting },
  { phase: "logging in", when: { at: "request", like: /^PASS/ }, doing: during.login },
  { phase: "the reply to the login", when: { at: "answer", to: /^PASS/ }, doing: during.login },
  {
    phase: "asking for a data connection",
    when: { at: "request", like: /^(EPSV|PASV)/ },
    doing: during.passive,
  },
  { phase: "asking to store", when: { at: "request", like: /^STOR/ }, doing: during.storing },
];

/** All of the file is at the server: it is looked for, and not sent again. */
const after: (ControlPhase & { note: RegExp })[] = [
  {
    phase: "the reply to the upload",
    when: { at: "answer", to: /^STOR/, like: /^2/ },
    doing: during.storing,
    note: /a new session found the upload complete/,
  },
  {
    phase: "the reply to reading back",
    when: { at: "answer", to: /^RETR/ },
    doing: during.reading,
    note: /a new session found the upload complete/,
  },
  {
    phase: "asking to rename",
    when: { at: "request", like: /^RNTO/ },
    doing: during.renaming,
    note: /a new session found the upload complete/,
  },
  {
    phase: "the reply to the renaming",
    when: { at: "answer", to: /^RNTO/ },
    doing: during.renaming,
    note: /a new session found the file in its place/,
  },
];

const onData = (n: number): Pick<Fault, "when" | "line"> => ({
  line: "data",
  when: { at: "byte", n, from: "client" },
});
const transfers = [
  { phase: "the first byte", ...onData(0) },
  { phase: "the middle", ...onData(usualBytes / 2) },
  { phase: "the last byte", ...onData(usualBytes - 1) },
];

/** What is read of a connection that is lost in one of these ways. */
function lost(doing: During): Record<"reset" | "finish" | "silence", Symptom> {
  return { reset, finish: closed(doing), silence: silent(doing) };
}

/** Control and data connections of plain FTP, lost in every way at every step. */
export function ftpLosses({ silenceMs }: Times): FaultRow[] {
  const impatient = (doing: During) => ({
    connection: { [doing === during.connecting ? "connectTimeoutMs" : "idleTimeoutMs"]: silenceMs },
  });
  const rows: FaultRow[] = [];
  for (const { phase, when, doing } of before) {
    for (const [fault, symptom] of entriesOf(lost(doing))) {
      const row = { phase, fault, proxy: { when, do: fault }, ends: "delivered", says: [symptom] } as const;
      if (fault !== "silence") rows.push({ ...row, attempts: 2 });
      else rows.push({ ...row, ...impatient(doing), attempts: { atLeast: 2 }, says: anySilence });
    }
    rows.push({
      ...{ phase, fault: "reset each time", proxy: { when, do: "reset", times: Infinity } },
      ...{ ends: "gave-up", attempts: mostAttempts, says: [reset] },
    });
  }
  for (const { phase, when, doing, note } of after) {
    for (const fault of ["reset", "finish", "silence"] as const) {
      const row = { phase, fault, proxy: { when, do: fault }, ends: "delivered", note, attempts: 1 } as const;
      rows.push(
        fault === "silence"
          ? { ...row, ...impatient(doing), attempts: { atLeast: 1 }, says: anySilence }
          : row,
      );
    }
    if (doing === during.storing || /reply to the renaming/.test(phase)) continue;
    rows.push({
      ...{ phase, fault: "finish each time", proxy: { when, do: "finish", times: Infinity } },
      ...{ ends: "gave-up", attempts: mostAttempts, says: [closed(doing)] },
    });
  }
  return [...rows, ...transferLosses(impatient(during.storing))];
}

const anySilence = Object.values(during).map(silent);

function transferLosses(impatient: Pick<FaultRow, "connection">): FaultRow[] {
  return transfers.flatMap(({ phase, ...moment }): FaultRow[] => [
    {
      // A reset costs the server what it has not read yet: sometimes it only sees a shorter file.
      ...{ phase, fault: "reset", proxy: { ...moment, do: "reset" } },
      ...{ ends: "delivered", attempts: 2, says: [cut, reset, short] },
    },
    {
      ...{ phase, fault: "reset each time", proxy: { ...moment, do: "reset", times: Infinity } },
      ...{ ends: "gave-up", attempts: { atLeast: 3 }, says: [cut, reset, short] },
    },
    {
      // The server takes the end of the connection for the end of the file; the client may notice first.
      ...{ phase, fault: "finish", proxy: { ...moment, do: "finish" } },
      ...{ ends: "delivered", attempts: 2, says: [short, reset] },
    },
    {
      ...{ phase, fault: "finish each time", proxy: { ...moment, do: "finish", times: Infinity } },
      ...{ ends: "gave-up", attempts: 3, says: [short, reset] },
    },
    {
      ...{ phase, fault: "the rest is swallowed", proxy: { ...moment, do: { swallow: "client" } } },
      ...{ ends: "delivered", attempts: 2, says: [short] },
    },
    {
      ...{ phase, fault: "silence", proxy: { ...moment, do: "silence" }, ...impatient },
      ...{ ends: "delivered", attempts: { atLeast: 2 }, says: anySilence },
    },
  ]);
}

/** What only looks like a fault: it is waited for, or another way is found, in the first attempt. */
export function ftpPatience(): FaultRow[] {
  const fine = { ends: "delivered", attempts: 1 } as const;
  const delays = [...before, ...after].filter(({ when }) => when.at !== "connect");
  return [
    ...delays.map(({ phase, when }) => ({
      ...{ phase, fault: "late", proxy: { when, do: { delayMs: 700 } } },
      ...fine,
    })),
    {
      ...{ phase: "the transfer", fault: "slow" },
      proxy: { line: "data", when: { at: "byte", n: 0, from: "client" }, do: { bytesPerSecond: 250_000 } },
      ...fine,
    },
    {
      ...{ phase: "the data connection", fault: "refused once" },
      proxy: { line: "data", when: { at: "connect" }, do: "reset" },
      // Whether the client notices before it sends, and tries the other way, is chance.
      ...{ ends: "delivered", attempts: { atLeast: 1 }, says: [reset, cut] },
    },
    {
      ...{
        phase: "the reply to EPSV",
        fault: "refused, PASV not",
        proxy: replaced(/^EPSV/, "500 Unknown command.\r\n"),
      },
      ...fine,
    },
    {
      ...{
        phase: "the reply about the size",
        fault: "SIZE unknown",
        writer: { verify: "size" },
        proxy: replaced(/^SIZE/, "502 Not here.\r\n"),
      },
      ...{ ...fine, note: /.?/ },
    },
  ];
}

function replaced(to: RegExp, replace: string): Fault {
  return { when: { at: "answer", to }, do: { replace }, times: Infinity };
}

function entriesOf<Key extends string, Value>(record: Record<Key, Value>): [Key, Value][] {
  return Object.entries(record) as [Key, Value][];
}
