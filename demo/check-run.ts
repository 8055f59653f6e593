import { readFile } from "node:fs/promises";
import type { DeliveryRecord, NodeRed } from "./node-red";
import type { Playground } from "./playground";
import { openLink, readBack, sha256Of } from "./read-back";
import type { ReceivedMail } from "./servers/smtp";
import type { ExpectedDelivery, ExpectedMail, Run, Stories } from "./stories";

export interface Demo {
  readonly nodeRed: NodeRed;
  readonly playground: Playground;
  readonly stories: Stories;
  /** Mails that somebody waited for. */
  readonly expectedMails: Set<ReceivedMail>;
}

/** `wrong` is what should not have happened; a delivery that was rightly given up is none of it. */
export interface Finding {
  mark: "delivered" | "retried" | "gave up" | "mail" | "wrong";
  text: string;
  detail?: string;
}

const patienceMs = 30_000;

/** Presses the button and looks at what comes of it. */
export async function checkRun(run: Run, demo: Demo): Promise<Finding[]> {
  const { nodeRed, stories } = demo;
  if (!run.bySelf) await nodeRed.press(stories.idOf(run.story, run.button));
  const findings: Finding[] = [];
  const delivered: string[] = [];
  for (const expected of run.deliveries) {
    const writer = stories.idOf(run.story, expected.writer);
    const record = await nodeRed.outcome((one) => one.writer.id === writer && isEnd(one), patienceMs);
    findings.push(...(await checkDelivery(expected, record, demo)));
    if (record?.sha256) delivered.push(record.sha256);
  }
  for (const expected of run.mails) findings.push(...(await checkMail(expected, delivered, demo)));
  return findings;
}

function isEnd({ state }: DeliveryRecord): boolean {
  return state === "delivered" || state === "skipped" || state === "gave-up";
}

async function checkDelivery(
  { writer, to, target, attempts, isFile }: ExpectedDelivery,
  record: DeliveryRecord | undefined,
  { playground }: Demo,
): Promise<Finding[]> {
  if (!record) return [wrong(`"${writer}" did not end within ${patienceMs / 1000} s.`)];
  const { location, bytes = 0, sha256 = "" } = record;
  const findings = triesOf(record);
  if (record.attempts.length !== attempts) {
    findings.push(wrong(`${location} took ${record.attempts.length} tries instead of ${attempts}.`));
  }
  if (!target.test(record.target)) findings.push(wrong(`${location} is not where it should be.`));
  const wanted = to === "nowhere" ? "gave-up" : "delivered";
  if (record.state !== wanted) return [...findings, wrong(`${location} is ${record.state}, not ${wanted}.`)];
  if (to === "nowhere") return findings;

  const found = await readBack(playground, to, record.target);
  if (!found) return [...findings, wrong(`${location} is not there.`)];
  const original = isFile ? sha256Of(await readFile(playground.file)) : sha256;
  if (sha256Of(found) !== original || sha256 !== original || found.length !== bytes) {
    return [...findings, wrong(`${location} is there, but its content is another one.`)];
  }
  const detail = `${bytes.toLocaleString("en")} bytes, sha256 ${sha256.slice(0, 16)}…, read back: identical`;
  return [...findings, { mark: "delivered", text: location, detail }];
}

/** Each failed try, and after the last of a delivery that was given up its end. */
function triesOf({ state, location, attempts }: DeliveryRecord): Finding[] {
  const failures = attempts.flatMap(({ n, error }) => (error ? [{ n, reason: error.message }] : []));
  const last = state === "gave-up" ? failures.pop() : undefined;
  const findings: Finding[] = failures.map(({ n, reason }, index) => ({
    mark: "retried",
    text: `try ${n} failed`,
    ...(reason !== failures[index - 1]?.reason && { detail: reason }),
  }));
  if (!last) return findings;
  return [...findings, { mark: "gave up", text: location, detail: `after ${last.n} tries` }];
}

async function checkMail(
  { to, subject, link }: ExpectedMail,
  sent: string[],
  demo: Demo,
): Promise<Finding[]> {
  const { playground, expectedMails } = demo;
  const isIt = (mail: ReceivedMail) =>
    !expectedMails.has(mail) && mail.envelope.to.includes(to) && subject.test(mail.subject ?? "");
  const mail = await playground.smtp.waitFor(isIt, patienceMs).catch(() => undefined);
  if (!mail) return [wrong(`No mail came to ${to} with a subject like ${subject}.`)];
  expectedMails.add(mail);
  const finding: Finding = { mark: "mail", text: `to ${to}: ${mail.subject}` };
  if (!link) return [finding];
  const url = /https?:\/\/\S+/.exec(mail.text ?? "")?.[0];
  if (!url) return [finding, wrong("The mail has no link.")];
  try {
    if (!sent.includes(sha256Of(await openLink(url)))) {
      return [finding, wrong("The link in the mail opens something else.")];
    }
  } catch (error) {
    return [finding, wrong((error as Error).message)];
  }
  return [{ ...finding, detail: `its link opens the file:\n${url}` }];
}

/** People are told once of each outcome. */
export function mailsThatCameTwice(mails: readonly ReceivedMail[]): Finding[] {
  const ids = mails.map(({ messageId }) => messageId);
  return mails
    .filter(({ messageId }, index) => ids.indexOf(messageId) < index)
    .map(({ subject }) => wrong(`This mail came twice: ${subject}`));
}

function wrong(text: string): Finding {
  return { mark: "wrong", text };
}
