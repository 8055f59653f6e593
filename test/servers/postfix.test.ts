import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf, mailerFor } from "../lib/notifiers/mail-harness";
import { type Postfix, postfixDomain, postfixPath, startPostfix } from "../support/postfix";
import { requireTool } from "../support/required";

const available = requireTool("postfix", postfixPath);

describe.runIf(available)("mails over Postfix", () => {
  let server: Postfix;

  beforeAll(async () => {
    server = await startPostfix({
      recipients: {
        [`gone@${postfixDomain}`]: "550 5.1.1 No such user",
        [`busy@${postfixDomain}`]: "450 4.2.0 Greylisted, try again",
      },
    });
  }, 60_000);
  afterAll(() => server?.stop());

  const secure = (options: object = {}) => {
    const { user, password, ca } = server;
    return mailerFor(server, {
      host: "localhost",
      security: "starttls",
      user,
      password,
      ca,
      ...options,
    });
  };

  test("a text with umlauts arrives over STARTTLS, logged in, as it was written", async () => {
    const text = `Grüße, 名前, and a line that is longer than SMTP's limit: ${"x".repeat(1_200)}\n.\n..end\n`;
    const receipt = await secure().send({
      subject: "Delivered: Übersicht 名.csv",
      text,
      recipients: [`ann@${postfixDomain}`],
    });
    const [mail] = await server.mails(1);
    expect(mail?.subject).toBe("Delivered: Übersicht 名.csv");
    expect(mail?.text).toBe(text);
    expect(mail?.messageId).toBe(receipt.messageId);
    const received = String(mail?.headers.get("received"));
    expect(received).toContain("TLSv1.3");
    expect(received).toContain(`Authenticated sender: ${server.user}`);
  });

  test("one of two recipients is unknown: the other gets the mail, and a note says so", async () => {
    const before = (await server.mails(0)).length;
    const receipt = await secure().send({
      recipients: [`gone@${postfixDomain}`, `bob@${postfixDomain}`],
    });
    expect(receipt.notes.join(" ")).toContain(`gone@${postfixDomain}`);
    expect(await server.mails(before + 1)).toHaveLength(before + 1);
  });

  test.each([
    ["an unknown recipient", `gone@${postfixDomain}`, "550", false],
    ["a greylisted recipient", `busy@${postfixDomain}`, "450", true],
  ])("%s: nothing is sent, and whether a repeat helps is known", async (_title, to, code, retryable) => {
    const error = await failureOf(secure().send({ recipients: [to] }));
    expect(error.code).toBe(code);
    expect(error.retryable).toBe(retryable);
    expect(error.message).toContain(to);
  });

  test("a wrong password is denied and in no message", async () => {
    const error = await failureOf(
      secure({ password: "canary-wrong" }).send({ recipients: [`ann@${postfixDomain}`] }),
    );
    expect(error.kind).toBe("denied");
    expect(error.message).not.toContain("canary-wrong");
  });

  test("relaying without a login is refused", async () => {
    const error = await failureOf(
      secure({ user: undefined, password: undefined }).send({ recipients: ["someone@elsewhere.test"] }),
    );
    expect(error.retryable).toBe(false);
    expect(error.code).toMatch(/^5\d\d$/);
  });

  test("an unknown authority: nobody logs in", async () => {
    const logins = async () => (await server.log()).split("sasl_username=").length;
    await secure().send({ recipients: [`ann@${postfixDomain}`] });
    const before = await logins();
    expect(before).toBeGreaterThan(1);
    const error = await failureOf(secure({ ca: undefined }).send({ recipients: [`ann@${postfixDomain}`] }));
    expect(error.kind).toBe("invalid");
    expect(await logins()).toBe(before);
  });
});
