import { setTimeout as sleep } from "node:timers/promises";
import type { Demo, Finding } from "./check-run";
import type { DeliveryRecord } from "./node-red";
import type { Playground } from "./playground";
import { printFindings } from "./printing";
import { readBack, sha256Of } from "./read-back";

const lookEveryMs = 100;
const ends = ["delivered", "skipped", "gave-up", "cancelled"];

/**
 * Prints how deliveries fail and end, and the mails that come. It never ends by itself.
 * @param from `now` leaves out what was there before
 */
export async function watch({ nodeRed, playground }: Demo, from: "start" | "now"): Promise<never> {
  const { messages: mails } = playground.smtp;
  let nextRecord = from === "now" ? nodeRed.sent.length : 0;
  let nextMail = from === "now" ? mails.length : 0;
  /** Records leave several nodes one after the other. By state and the number of attempts. */
  const told = new Set<string>();
  const toldTries = new Map<string, number>();
  for (;;) {
    for (; nextRecord < nodeRed.sent.length; nextRecord++) {
      const record = nodeRed.sent[nextRecord] as DeliveryRecord;
      const { id, state, attempts } = record;
      const key = [id, state, attempts.length].join();
      if (told.has(key) || ![...ends, "failed"].includes(state)) continue;
      told.add(key);
      printFindings(await findingsOf(playground, record, toldTries.get(id) ?? 0));
      toldTries.set(id, attempts.length);
    }
    for (; nextMail < mails.length; nextMail++) {
      const { envelope, subject } = mails[nextMail] as (typeof mails)[number];
      printFindings([{ mark: "mail", text: `to ${envelope.to.join(", ")}: ${subject}` }]);
    }
    await sleep(lookEveryMs);
  }
}

async function findingsOf(
  playground: Playground,
  record: DeliveryRecord,
  toldTries: number,
): Promise<Finding[]> {
  const { state, attempts, target } = record;
  const place = record.location || target;
  if (state === "failed" && attempts.length === 0)
    return [{ mark: "gave up", text: `${place}: not accepted` }];
  const tries = attempts.slice(toldTries).flatMap<Finding>(({ n, error }) => {
    return error ? [{ mark: "retried", text: `try ${n} failed: ${place}`, detail: error.message }] : [];
  });
  if (state === "failed") return tries;
  if (state === "cancelled") return [...tries, { mark: "gave up", text: `${place}: cancelled by somebody` }];
  if (state === "gave-up") {
    const detail = `after ${attempts.length} ${attempts.length === 1 ? "try" : "tries"}`;
    return [...tries, { mark: "gave up", text: place, detail }];
  }
  return [...tries, await arrived(playground, record)];
}

/** What went to the demo's own servers is looked at; what somebody sends elsewhere is Node-RED's word. */
async function arrived(playground: Playground, record: DeliveryRecord): Promise<Finding> {
  const { location, bytes = 0, sha256 = "" } = record;
  const finding: Finding = { mark: "delivered", text: location };
  const roots = { s3: `s3://${playground.bucket}/`, ftp: `ftp://localhost:${playground.ftp.port}/` };
  const to = location.startsWith(roots.s3) ? "s3" : "ftp";
  if (!location.startsWith(roots[to])) return finding;
  const found = await readBack(playground, to, location.slice(roots[to].length));
  if (!found) return { mark: "wrong", text: `${location} is not there.` };
  if (sha256Of(found) !== sha256) return { mark: "wrong", text: `${location} has another content.` };
  const detail = `${bytes.toLocaleString("en")} bytes, sha256 ${sha256.slice(0, 16)}…, read back: identical`;
  return { ...finding, detail };
}
