import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import type { SmtpHook } from "../../../demo/servers/smtp";
import { acceptedAt, failureOf, mailerFor, password, startServer } from "./mail-harness";

const ann = "ann@example.test";
const bob = "bob@example.test";
const eve = "eve@example.test";

/** Answers RCPT for these addresses. */
function answering(replies: Readonly<Record<string, string>>): SmtpHook {
  return (command, argument) => {
    const reply = command === "RCPT" ? replies[argument] : undefined;
    return reply === undefined ? undefined : { reply };
  };
}

describe("several recipients", () => {
  test("one is refused for good: the others get the mail, the receipt tells", async () => {
    const server = await startServer({ hook: answering({ [bob]: "550 5.1.1 No such user here" }) });
    const receipt = await mailerFor(server).send({ recipients: [ann, bob, eve] });
    expect(server.messages.map(({ envelope }) => envelope.to)).toEqual([[ann, eve]]);
    expect(receipt.location).toBe(`${ann}, ${eve}`);
    expect(receipt.notes).toEqual([`${bob} did not get the mail: 550 5.1.1 No such user here.`]);
  });

  test("one is put off: the repeat goes to that one only", async () => {
    const server = await startServer({
      hook: answering({ [bob]: "450 4.7.1 Greylisted, come back", [eve]: "550 5.1.1 No such user" }),
    });
    const recipients = [ann, bob, eve];
    const error = await failureOf(mailerFor(server).send({ recipients }));
    expect(error).toMatchObject({ kind: "unavailable", code: "450", retryable: true });
    expect(error.message).toContain(`${bob}: 450 4.7.1 Greylisted, come back. It may work later. The others`);
    expect(error.recipients).toEqual({
      told: [ann],
      refused: [{ address: eve, code: 550, reply: "550 5.1.1 No such user." }],
    });
    server.hook = undefined;
    // By another notifier, as after a restart.
    const receipt = await mailerFor(server).send({ recipients }, undefined, error.recipients);
    expect(server.messages.map(({ envelope }) => envelope.to)).toEqual([[ann], [bob]]);
    expect(new Set(server.messages.map(({ messageId }) => messageId))).toEqual(new Set([receipt.messageId]));
    expect(receipt.location).toBe(`${ann}, ${bob}`);
    expect(receipt.notes).toEqual([expect.stringContaining(eve)]);
    // Nobody is left to be told.
    const all = { told: recipients, refused: [] };
    expect(await mailerFor(server).send({ recipients }, undefined, all)).toEqual({
      ...receipt,
      location: recipients.join(", "),
      notes: [],
    });
    expect(server.messages).toHaveLength(2);
  });

  test("all are put off, then all get it", async () => {
    const server = await startServer({
      hook: answering({ [ann]: "451 4.3.0 Later", [bob]: "421 4.3.2 Busy" }),
    });
    const mailer = mailerFor(server);
    expect(await failureOf(mailer.send({ recipients: [ann, bob] }))).toMatchObject({ kind: "unavailable" });
    server.hook = undefined;
    await mailer.send({ recipients: [ann, bob] });
    expect(server.messages.map(({ envelope }) => envelope.to)).toEqual([[ann, bob]]);
  });

  test("the one that was put off is refused at last: those who got it count", async () => {
    const server = await startServer({ hook: answering({ [bob]: "450 4.2.0 Later" }) });
    const mailer = mailerFor(server);
    const { recipients } = await failureOf(mailer.send({ recipients: [ann, bob] }));
    server.hook = answering({ [bob]: "550 5.1.1 Gone" });
    expect(await mailer.send({ recipients: [ann, bob] }, undefined, recipients)).toMatchObject({
      location: ann,
      notes: [`${bob} did not get the mail: 550 5.1.1 Gone.`],
    });
  });

  test("all are refused for good", async () => {
    const replies = { [ann]: "550 5.1.1 No such user", [bob]: "554 5.7.1 Relay access denied" };
    const server = await startServer({ hook: answering(replies) });
    const error = await failureOf(mailerFor(server).send({ recipients: [ann, bob] }));
    expect(error).toMatchObject({ kind: "rejected", code: "550", retryable: false });
    expect(error.message).toContain(`${ann}, ${bob}: 550 5.1.1 No such user.`);
  });
});

describe("a server in trouble", () => {
  test.each([
    ["CONNECT", "421 4.3.2 Too busy", "unavailable"],
    ["CONNECT", "554 5.3.2 No service here", "rejected"],
    ["MAIL", "451 4.3.0 Later", "unavailable"],
    ["MAIL", "421 4.3.2 Shutting down", "unavailable"],
    ["MAIL", "503 5.5.1 Bad sequence", "unavailable"],
    ["MAIL", "550 5.1.0 Sender refused", "rejected"],
    ["MAIL", "530 5.7.0 Must issue a STARTTLS command first", "invalid"],
    ["DATA", "450 4.2.0 Later", "unavailable"],
    ["DATA", "421 4.3.2 Shutting down", "unavailable"],
    ["DATA", "452 4.3.1 Disk full", "unavailable"],
    ["DATA", "552 5.3.4 Too big", "rejected"],
    ["DATA", "554 5.7.1 Spam", "rejected"],
  ] as const)("%s answered by %s", async (command, reply, kind) => {
    const server = await startServer({ hook: (at) => (at === command ? { reply } : undefined) });
    const mailer = mailerFor(server);
    const error = await failureOf(mailer.send());
    expect(error).toMatchObject({ kind, code: reply.slice(0, 3) });
    expect(error.message).toMatch(/^The mail server 127\.0\.0\.1:\d+ refused .*\.$/);
    server.hook = undefined;
    await mailer.send();
    expect(server.messages).toHaveLength(1);
  });

  test.each(["CONNECT", "MAIL", "RCPT", "DATA"] as const)("a connection lost at %s", async (command) => {
    const server = await startServer({ hook: (at) => (at === command ? { drop: "before" } : undefined) });
    const mailer = mailerFor(server);
    expect(await failureOf(mailer.send())).toMatchObject({ kind: "unavailable", code: "ECONNRESET" });
    expect(server.messages).toEqual([]);
    server.hook = undefined;
    await mailer.send();
    expect(server.messages).toHaveLength(1);
  });

  test("a connection lost after DATA: the repeat is the same, byte for byte", async () => {
    const server = await startServer({ hook: (at) => (at === "DATA" ? { drop: "after" } : undefined) });
    const mailer = mailerFor(server);
    expect(await failureOf(mailer.send())).toMatchObject({ kind: "unavailable", code: "ECONNRESET" });
    expect(server.messages).toHaveLength(1);
    server.hook = undefined;
    const { messageId } = await mailer.send();
    expect(server.messages.map((mail) => mail.messageId)).toEqual([messageId, messageId]);
    // After a restart, too.
    await mailerFor(server).send();
    expect(new Set(server.messages.map(({ raw }) => String(raw))).size).toBe(1);
    expect(server.messages.map(({ date }) => date?.getTime())).toEqual([acceptedAt, acceptedAt, acceptedAt]);
  });

  test("a pooled session that the server closed meanwhile costs no attempt", async () => {
    const server = await startServer();
    const mailer = mailerFor(server);
    await mailer.send();
    server.hook = (at) => (at === "MAIL" ? { drop: "before" } : undefined);
    const second = mailer.send({ id: "second" });
    await expect.poll(() => server.sessions).toBe(0);
    server.hook = undefined;
    await second;
    expect(server.messages).toHaveLength(2);
  });

  test("nothing listens", async () => {
    const server = await startServer();
    await server.close();
    const error = await failureOf(mailerFor(server).send());
    expect(error).toMatchObject({ kind: "unavailable", code: "ECONNREFUSED" });
    expect(error.message).toContain(`the mail server 127.0.0.1:${server.port}`);
  });

  test("an unknown host", async () => {
    const error = await failureOf(mailerFor({ port: 25 }, { host: "no-such-host.invalid" }).send());
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(error.message).toMatch(/no-such-host\.invalid:25: .*DNS/);
  });

  test("a server that never greets", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    const { port } = await new Promise<{ port: number }>((resolve) => {
      silent.on("listening", () => resolve(silent.address() as { port: number }));
    });
    const error = await failureOf(mailerFor({ port }, { connectTimeoutMs: 300 }).send());
    silent.close();
    expect(error).toMatchObject({ kind: "unavailable", code: "ETIMEDOUT" });
  });

  test("a server that falls silent after the mail", async () => {
    const server = await startServer({ hook: (at) => (at === "DATA" ? { delayMs: 60_000 } : undefined) });
    const error = await failureOf(mailerFor(server, { idleTimeoutMs: 300 }).send());
    expect(error).toMatchObject({ kind: "unavailable", code: "ETIMEDOUT" });
  });

  test("a port at which something else answers", async () => {
    const other = createServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n")).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const error = await failureOf(mailerFor(other.address() as { port: number }).send());
    other.close();
    expect(error).toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("Check the address"),
    });
  });
});

describe("an end by our own hand", () => {
  test("an abort ends the attempt at once and cancels it", async () => {
    const server = await startServer({ hook: (at) => (at === "DATA" ? { delayMs: 60_000 } : undefined) });
    const controller = new AbortController();
    const sending = failureOf(mailerFor(server).send({}, controller));
    await expect.poll(() => server.sessions).toBe(1);
    const started = performance.now();
    controller.abort();
    expect(await sending).toMatchObject({ kind: "cancelled" });
    expect(performance.now() - started).toBeLessThan(1000);
    expect(await failureOf(mailerFor(server).send({}, controller))).toMatchObject({
      kind: "cancelled",
    });
  });

  test("closing the connection ends what is being sent, and every session", async () => {
    const server = await startServer();
    const mailer = mailerFor(server);
    await mailer.send();
    server.hook = (at) => (at === "DATA" ? { delayMs: 60_000 } : undefined);
    const sending = failureOf(mailer.send({ id: "second" }));
    await expect.poll(() => server.sessions).toBe(1);
    mailer.connection.close();
    expect(await sending).toMatchObject({ kind: "cancelled" });
    await expect.poll(() => server.sessions, { timeout: 3000 }).toBe(0);
    expect(await failureOf(mailer.send())).toMatchObject({ kind: "cancelled" });
  });

  test("many mails at once share a few sessions", async () => {
    let most = 0;
    const server = await startServer();
    server.hook = () => {
      most = Math.max(most, server.sessions);
      return undefined;
    };
    const mailer = mailerFor(server);
    const ids = Array.from({ length: 50 }, (_, n) => `id-${n}`);
    await Promise.all(ids.map((id) => mailer.send({ id })));
    expect(new Set(server.messages.map(({ messageId }) => messageId)).size).toBe(50);
    expect(most).toBeLessThanOrEqual(4);
  });
});

test("no failure holds the password", async () => {
  const server = await startServer({ user: "ann", password });
  const failures = [];
  for (const command of ["CONNECT", "AUTH", "MAIL", "RCPT", "DATA"] as const) {
    for (const reply of [`450 4.0.0 ${password}`, `550 5.0.0 ${password}`]) {
      server.hook = (at) => (at === command ? { reply } : undefined);
      failures.push(await failureOf(mailerFor(server, { user: "ann", password }).send()));
    }
  }
  for (const error of failures) {
    const cause = error.cause as Error | undefined;
    const shown = [error.message, error.stack, cause?.message, cause?.stack, JSON.stringify(cause ?? {})];
    expect(shown.join()).not.toContain(password);
    expect(error.message).toContain("***");
  }
});
