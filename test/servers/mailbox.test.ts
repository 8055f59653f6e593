import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ParsedMail } from "mailparser";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createMailNotifier, type Delivery, type Notification } from "../../src/lib";
import { acceptedAt, from, mailerFor } from "../lib/notifiers/mail-harness";
import { type Cyrus, cyrusPath, startCyrus } from "../support/cyrus";
import { type Postfix, postfixDomain, postfixPath, startPostfix } from "../support/postfix";
import { requireTool } from "../support/required";
import type { NotificationTask } from "./notification-child";

const run = promisify(execFile);
const tools = [requireTool("postfix", postfixPath), requireTool("cyrus-imapd", cyrusPath)];
const available = tools.every(Boolean);

/** What mail programs show of a mail. */
const shown = ({ subject, text, messageId, date }: ParsedMail) => ({ subject, text, messageId, date });

// As in the world: the notifier hands mails to a mail server, and that one to the server with the mailboxes.
describe.runIf(available)("mails over Postfix to mailboxes of Cyrus IMAP", () => {
  let mailboxes: Cyrus;
  let server: Postfix;

  beforeAll(async () => {
    mailboxes = await startCyrus(["ann", "bob", "cem", "dee", "eva"]);
    const transport = `lmtp:inet:${mailboxes.host}:${mailboxes.lmtpPort}`;
    server = await startPostfix({ settings: { virtual_transport: transport } });
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    await mailboxes?.stop();
  });

  const addressOf = (person: string) => `${person}@${postfixDomain}`;

  /** How often Cyrus has told Postfix that it takes a mail for somebody, also one that it drops. */
  const takenFor = async (person: string) => {
    const lines = (await server.log()).split("\n");
    return lines.filter((line) => line.includes(`to=<${addressOf(person)}>`) && line.includes("status=sent"))
      .length;
  };
  const untilTaken = (person: string, count: number) =>
    expect.poll(() => takenFor(person), { timeout: 20_000 }).toBe(count);

  const notificationFor = (person: string, id: string): Notification => ({
    id,
    subject: `About ${id}`,
    text: `Grüße, ${person}: this is ${id}.\n`,
    recipients: [addressOf(person)],
    level: "info",
  });

  test("a process is killed just when the server has its mail: the next one hands it over again, and it is there once", async () => {
    const folder = await mkdtemp(join(tmpdir(), "mailbox-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const send = (task: Pick<NotificationTask, "notification" | "dies">) => {
      const connection = { host: server.host, port: server.port, security: "none", from };
      const all: NotificationTask = { file: join(folder, "deliveries.sqlite"), connection, ...task };
      const child = ["--require", "tsx/cjs", join(__dirname, "notification-child.ts")];
      return run(process.execPath, [...child, JSON.stringify(all)], { cwd: join(__dirname, "../..") });
    };
    const notification = notificationFor("ann", "notify:1:delivered");

    await expect(send({ notification, dies: true })).rejects.toMatchObject({ signal: "SIGKILL" });
    await untilTaken("ann", 1);
    const before = (await mailboxes.mails("ann")).map(shown);
    expect(before).toMatchObject([{ subject: notification.subject, text: notification.text }]);

    const { stdout } = await send({ dies: false });
    expect(JSON.parse(stdout) as Delivery).toMatchObject({ state: "delivered", location: addressOf("ann") });
    await untilTaken("ann", 2);
    expect((await mailboxes.mails("ann")).map(shown)).toEqual(before);
  });

  test("of another outcome and of another delivery there is a mail of its own, however often each is handed over", async () => {
    const ids = ["notify:2:delivered", "notify:2:gave-up", "notify:3:delivered"];
    const mailer = mailerFor(server);
    for (const times of [1, 2]) {
      for (const id of ids) await mailer.send(notificationFor("bob", id));
      await untilTaken("bob", times * ids.length);
    }
    const subjects = (await mailboxes.mails("bob")).map(({ subject }) => subject);
    expect(subjects.sort()).toEqual(ids.map((id) => `About ${id}`));
  });

  test("each of two people has it once", async () => {
    const people = ["cem", "dee"];
    const mailer = mailerFor(server);
    for (const times of [1, 2]) {
      await mailer.send({ recipients: people.map(addressOf) });
      for (const person of people) await untilTaken(person, times);
    }
    for (const person of people) expect(await mailboxes.mails(person)).toHaveLength(1);
  });

  test("with another date it would be there twice: so a repeat keeps the date", async () => {
    const notifier = createMailNotifier(mailerFor(server).connection);
    const context = { signal: new AbortController().signal, onProgress() {} };
    const notification = notificationFor("eva", "notify:4:delivered");
    for (const [n, later] of [0, 0, 1_000].entries()) {
      await notifier.notify(notification, { ...context, acceptedAt: acceptedAt + later });
      await untilTaken("eva", n + 1);
    }
    const mails = await mailboxes.mails("eva");
    expect(new Set(mails.map(({ messageId }) => messageId)).size).toBe(1);
    expect(mails).toHaveLength(2);
  });
});
