import { describe, expect, test } from "vitest";
import { acceptedAt, certificates, failureOf, from, mailerFor, password, startServer } from "./mail-harness";

describe("a mail", () => {
  test("arrives with its subject, text, sender and the headers of a machine's mail", async () => {
    const server = await startServer();
    const receipt = await mailerFor(server).send();
    const [mail] = server.messages;
    expect(mail).toMatchObject({
      subject: "Delivered: report.csv",
      text: "It arrived.\n",
      messageId: receipt.messageId,
      envelope: { from: "deliveries@sender.test", to: ["ann@example.test"] },
    });
    expect(mail?.from?.text).toBe('"Deliveries" <deliveries@sender.test>');
    expect(mail?.headers.get("auto-submitted")).toBe("auto-generated");
    expect(mail?.date?.getTime()).toBe(acceptedAt);
    expect(receipt).toEqual({
      location: "ann@example.test",
      messageId: expect.stringMatching(/^<[\da-f]{40}@sender\.test>$/),
      notes: [],
    });
  });

  test("keeps non-ASCII names, subjects and texts", async () => {
    const server = await startServer();
    const subject = `Größe: ünï 名.txt 🎉 ${"sehr ".repeat(40)}lang`;
    const text = `Ünï 名 🎉\n\n${"x".repeat(3000)}\n.\n..\nFrom here\n`;
    const recipients = ["Jürgen Groß 名 <j@münchen.test>", '"Doe, Jane" <jane@x.test>'];
    const mailer = mailerFor(server, { from: "Zustellung Süd <d@sender.test>" });
    const { location } = await mailer.send({ subject, text, recipients });
    const [mail] = server.messages;
    expect(mail?.subject).toBe(subject);
    expect(mail?.text).toBe(text);
    expect(mail?.from?.value[0]?.name).toBe("Zustellung Süd");
    const to = mail?.to;
    const names = (Array.isArray(to) ? to : [to]).flatMap((list) => list?.value.map(({ name }) => name));
    expect(names).toEqual(["Jürgen Groß 名", "Doe, Jane"]);
    expect(location).toBe("j@xn--mnchen-3ya.test, jane@x.test");
    expect(mail?.envelope.to).toEqual(["j@münchen.test", "jane@x.test"]);
  });

  test("cannot have headers forged through its subject", async () => {
    const server = await startServer();
    await mailerFor(server).send({ subject: "Hello\r\nBcc: evil@x.test\r\n\r\nBody" });
    const [mail] = server.messages;
    expect(mail?.subject).toBe("Hello Bcc: evil@x.test Body");
    expect(mail?.bcc).toBeUndefined();
    expect(mail?.envelope.to).toEqual(["ann@example.test"]);
  });

  test.each([
    "a@b.test\r\nBcc: evil@x.test",
    "a@b.test>\r\nRCPT TO:<evil@x.test",
    "Ann\nBcc: evil@x.test <a@b.test>",
    "a@b.test, evil@x.test",
    "",
  ])("to a forged recipient is refused before the wire: %j", async (recipient) => {
    const server = await startServer();
    const error = await failureOf(mailerFor(server).send({ recipients: ["ann@x.test", recipient] }));
    expect(error.kind).toBe("invalid");
    expect(server.messages).toEqual([]);
  });

  test("to nobody is refused", async () => {
    const server = await startServer();
    expect(await failureOf(mailerFor(server).send({ recipients: [] }))).toMatchObject({ kind: "invalid" });
  });

  test("reads no file and no address that its text could name", async () => {
    const server = await startServer();
    const text = { path: "/etc/hostname" } as unknown as string;
    const error = await failureOf(mailerFor(server).send({ text }));
    expect(error.message).toMatch(/File access rejected/);
    expect(server.messages).toEqual([]);
  });
});

describe("TLS and login", () => {
  test.each(["starttls", "tls"] as const)("%s, logged in", async (mode) => {
    const { ca, key, cert } = await certificates();
    const server = await startServer({ user: "us@r", password, tls: { key, cert, mode } });
    await mailerFor(server, { security: mode, ca, user: "us@r", password }).send();
    expect(server.messages[0]).toMatchObject({
      secure: true,
      user: "us@r",
      subject: "Delivered: report.csv",
    });
  });

  test.each(["starttls", "tls"] as const)("%s with a certificate that nobody vouches for", async (mode) => {
    const { key, cert } = await certificates();
    const server = await startServer({ user: "ann", password, tls: { key, cert, mode } });
    const settings = { security: mode, user: "ann", password };
    const error = await failureOf(mailerFor(server, settings).send());
    expect(error).toMatchObject({ kind: "invalid", message: expect.stringContaining("authority") });
    expect(server.messages).toEqual([]);
    await mailerFor(server, { ...settings, verifyCertificate: false }).send();
    expect(server.messages).toHaveLength(1);
  });

  test.each(["starttls", "tls"] as const)("%s with a certificate for another host", async (mode) => {
    const { ca, key, cert } = await certificates(["other.test"]);
    const server = await startServer({ tls: { key, cert, mode } });
    const error = await failureOf(mailerFor(server, { security: mode, ca }).send());
    expect(error).toMatchObject({ kind: "invalid", code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  });

  test("a server without STARTTLS gets nothing in clear text", async () => {
    const server = await startServer({ user: "ann", password });
    const commands: string[] = [];
    server.hook = (command) => void commands.push(command);
    const error = await failureOf(mailerFor(server, { security: "starttls", user: "ann", password }).send());
    expect(error).toMatchObject({ kind: "invalid", message: expect.stringContaining("STARTTLS") });
    expect(commands).toEqual(["CONNECT"]);
  });

  test("TLS to a port that speaks clear text first", async () => {
    const server = await startServer();
    const error = await failureOf(mailerFor(server, { security: "tls" }).send());
    expect(error).toMatchObject({ kind: "invalid", message: expect.stringMatching(/TLS/) });
  });

  test("a wrong password is denied, and shown nowhere", async () => {
    const server = await startServer({ user: "ann", password: "another" });
    const error = await failureOf(mailerFor(server, { user: "ann", password }).send());
    expect(error).toMatchObject({ kind: "denied", code: "535", maxAttempts: 3 });
    expect(error.message).toMatch(/refused the login: 535 .* Check the user name and the password\./);
  });

  test("a server that wants a login, from somebody without one", async () => {
    const server = await startServer({ user: "ann", password });
    expect(await failureOf(mailerFor(server).send())).toMatchObject({ kind: "denied", code: "530" });
  });

  test("a login that the server does not offer", async () => {
    const server = await startServer();
    const error = await failureOf(mailerFor(server, { user: "ann", password }).send());
    expect(error).toMatchObject({ kind: "invalid", message: expect.stringContaining("no login") });
    expect(server.messages).toEqual([]);
  });

  test("a broken login service is temporary", async () => {
    const server = await startServer({
      user: "ann",
      password,
      hook: (command) =>
        command === "AUTH" ? { reply: "454 4.7.0 Temporary authentication failure" } : undefined,
    });
    const error = await failureOf(mailerFor(server, { user: "ann", password }).send());
    expect(error).toMatchObject({ kind: "unavailable", code: "454" });
  });

  test("a server that repeats the password does not spread it", async () => {
    const encoded = Buffer.from(`\0ann\0${password}`).toString("base64");
    const server = await startServer({
      user: "ann",
      password,
      hook: (command) =>
        command === "AUTH" ? { reply: `535 5.7.8 wrong: ann/${password} ${encoded}` } : undefined,
    });
    const error = await failureOf(mailerFor(server, { user: "ann", password, from }).send());
    expect(error.message).toMatch(/535 .*ann\/\*\*\* \*\*\*/);
    const cause = error.cause as Error;
    const everything = [error.message, error.stack, cause.message, cause.stack, JSON.stringify(cause)].join();
    expect(everything).not.toContain(password);
    expect(everything).not.toContain(encoded);
    expect(JSON.stringify({ ...error })).not.toContain("cause");
  });
});
