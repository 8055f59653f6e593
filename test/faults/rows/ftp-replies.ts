import type { FtpHook, FtpInjection } from "../../../demo/servers/ftp";
import { retryableKinds } from "../../../src/lib";
import type { FaultRow } from "../row";
import { closed, cut, during, refusals, reset, short } from "../symptoms/ftp";
import type { Symptom } from "../symptoms/symptom";

/** Injects a fault into a command: always, or only the first times it comes. */
function on(wanted: string, injection: FtpInjection, times = Number.POSITIVE_INFINITY): FtpHook {
  let left = times;
  return (command) => (command === wanted && left-- > 0 ? injection : undefined);
}

/** Every reply of the table, once: what another attempt can cure is delivered, the rest given up at once. */
export function ftpReplies(): FaultRow[] {
  return Object.entries(refusals).flatMap(([step, replies]) =>
    Object.entries<Symptom>(replies).map(([reply, symptom]): FaultRow => {
      const cured = retryableKinds.includes(symptom.kind) && symptom.retryAfterMs === undefined;
      const command = step === "name" ? "STOR" : step;
      const row = { phase: `the reply to ${step === "CONNECT" ? "the connection" : command}`, fault: reply };
      const ends = cured ? "delivered" : "gave-up";
      return {
        ...row,
        server: answering(command, reply, cured ? 1 : Infinity),
        ends,
        attempts: cured ? 2 : 1,
        says: [symptom],
      };
    }),
  );
}

function answering(command: string, reply: string, times: number): FtpHook {
  const refused = on(command, { reply }, times);
  // EPSV alone would only make the client try PASV.
  const passive = on("PASV", { reply }, times);
  return (name, ...rest) =>
    refused(name, ...rest) ?? (command === "EPSV" ? passive(name, ...rest) : undefined);
}

const found = /a new session found the (upload complete|file in its place)|had done it already/;

/** What only a server can do wrong. */
export const ftpServerFaults: FaultRow[] = [
  {
    ...{ phase: "the middle", fault: "426", server: on("STOR", { closeDataAfterBytes: 1000 }, 1) },
    ...{ ends: "delivered", attempts: 2, says: [cut] },
  },
  {
    ...{ phase: "the middle", fault: "226, but a part is kept", server: on("STOR", { keepBytes: 1000 }, 1) },
    ...{ ends: "delivered", attempts: 2, says: [short] },
  },
  {
    ...{
      phase: "the middle",
      fault: "226, but a part is kept, each time",
      server: on("STOR", { keepBytes: 1000 }),
    },
    ...{ ends: "gave-up", attempts: 3, says: [short] },
  },
  {
    ...{ phase: "the middle", fault: "cut", server: on("STOR", { dropAfterBytes: 1000 }, 1) },
    ...{ ends: "delivered", attempts: 2, says: [reset, closed(during.storing)] },
  },
  ...lostReplies("STOR", ["426 Cut.", "421 Closing down."]),
  ...lostReplies("RNTO", ["421 Closing down.", "550 Refused, but done.", "553 Refused, but done."]),
];

/** Replies that say no although the work is done. */
function lostReplies(command: string, replies: string[]): FaultRow[] {
  return replies.map((lastReply) => ({
    ...{ phase: `the reply to ${command}`, fault: `${lastReply} after the work` },
    ...{ server: on(command, { lastReply }, 1), ends: "delivered", attempts: 1, note: found },
  }));
}
