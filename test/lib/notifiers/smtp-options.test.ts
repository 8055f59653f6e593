import { describe, expect, test } from "vitest";
import { readSmtpConnectionOptions } from "../../../src/lib";
import { certificates } from "./mail-harness";

const least = { host: "mail.example.com", from: "deliveries@example.com" };

test("what is left out takes its default", () => {
  expect(readSmtpConnectionOptions(least)).toEqual({
    host: "mail.example.com",
    port: 587,
    security: "starttls",
    from: { name: "", address: "deliveries@example.com" },
    user: undefined,
    password: undefined,
    ca: undefined,
    verifyCertificate: true,
    connectTimeoutMs: 30_000,
    idleTimeoutMs: 300_000,
  });
  expect(readSmtpConnectionOptions({ ...least, security: "tls" }).port).toBe(465);
  expect(readSmtpConnectionOptions({ ...least, security: "none" }).port).toBe(25);
});

test("everything can be set, also as text", async () => {
  const { ca } = await certificates();
  const options = {
    ...least,
    port: "2525",
    security: "tls",
    from: "Delivery Service <d@münchen.test>",
    user: "us@r",
    password: "p w",
    ca,
    verifyCertificate: "false",
    connectTimeoutMs: "5000",
    idleTimeoutMs: 6000,
  };
  expect(readSmtpConnectionOptions(options)).toEqual({
    ...options,
    port: 2525,
    from: { name: "Delivery Service", address: "d@xn--mnchen-3ya.test" },
    verifyCertificate: false,
    connectTimeoutMs: 5000,
  });
});

describe("what is refused", () => {
  test.each([
    [{ host: "" }, /host is missing/],
    [{ host: "smtp://mail.example.com" }, /host must be/],
    [{ host: "mail.example.com:587" }, /must not hold a port/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Node-RED leaves unset variables so
    [{ host: "${MAIL_HOST}" }, /variable MAIL_HOST is not set/],
    [{ port: 0 }, /port must be/],
    [{ port: "many" }, /port must be/],
    [{ security: "ssl" }, /security must be one of starttls, tls, none/],
    [{ from: "" }, /from is missing/],
    [{ from: "nobody" }, /from must be one e-mail address/],
    [{ from: "a@b.test, c@d.test" }, /from must be one e-mail address/],
    [{ from: "a@b.test\r\nBcc: evil@x.test" }, /from must be one e-mail address/],
    [{ user: "ann" }, /password is missing/],
    [{ password: "canary-7Zq!x" }, /user is missing/],
    [{ user: "a\r\nb", password: "x" }, /user must be/],
    [{ ca: "no certificate" }, /PEM/],
    [{ verifyCertificate: "maybe" }, /true or false/],
    [{ connectTimeoutMs: 1 }, /connectTimeoutMs must be/],
  ])("%j", (options, sentence) => {
    const read = () => readSmtpConnectionOptions({ ...least, ...options });
    expect(read).toThrow(
      expect.objectContaining({ kind: "invalid", message: expect.stringMatching(sentence) }),
    );
    expect(read).not.toThrow(/canary/);
  });

  test("every problem at once", () => {
    expect(() => readSmtpConnectionOptions({ port: -1, security: "x" })).toThrow(
      /security .*; host is missing; port .*; from is missing/,
    );
    expect(() => readSmtpConnectionOptions("mail.example.com")).toThrow(/must be an object/);
  });
});
