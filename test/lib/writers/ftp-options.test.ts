import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import { readFtpConnectionOptions, readFtpWriterOptions } from "../../../src/lib/writers/ftp";
import { createAuthority } from "../../support/certificates";

function problemsOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(DeliveryError);
    expect(error).toMatchObject({ kind: "invalid" });
    return (error as DeliveryError).message;
  }
  throw new Error("It was accepted.");
}

describe("connection", () => {
  test("defaults", () => {
    expect(readFtpConnectionOptions({ host: "ftp.example.com" })).toEqual({
      host: "ftp.example.com",
      port: 21,
      user: "anonymous",
      password: "anonymous@",
      security: "none",
      ca: undefined,
      verifyCertificate: true,
      serverName: undefined,
      root: "/",
      passiveAddress: "same",
      connectTimeoutMs: 30_000,
      idleTimeoutMs: 60_000,
      maxSessions: 5,
    });
    expect(readFtpConnectionOptions({ host: "h", security: "implicit" }).port).toBe(990);
    expect(readFtpConnectionOptions({ host: "h", security: "explicit" }).port).toBe(21);
    expect(readFtpConnectionOptions({ host: "h", user: "bob" }).password).toBe("");
  });

  test("numbers and booleans may be strings, as environment variables are", () => {
    expect(
      readFtpConnectionOptions({
        host: "::1",
        port: "2121",
        verifyCertificate: "false",
        idleTimeoutMs: "1500",
      }),
    ).toMatchObject({ host: "::1", port: 2121, verifyCertificate: false, idleTimeoutMs: 1500 });
  });

  test("every problem at once", () => {
    const message = problemsOf(() =>
      readFtpConnectionOptions({
        host: "ftp://example.com/x",
        port: 0,
        user: "bob\r\nDELE x",
        password: 7,
        security: "maybe",
        ca: "not a certificate",
        verifyCertificate: "perhaps",
        root: "/a/../b",
        passiveAddress: "any",
        connectTimeoutMs: -1,
        idleTimeoutMs: "soon",
        maxSessions: 1.5,
      }),
    );
    for (const name of ["host", "port", "user", "password", "security", "ca", "verifyCertificate"]) {
      expect(message).toMatch(new RegExp(`\\b${name} must`));
    }
    for (const name of ["root", "passiveAddress", "connectTimeoutMs", "idleTimeoutMs", "maxSessions"]) {
      expect(message).toMatch(new RegExp(`\\b${name} must`));
    }
    expect(message).not.toContain("DELE");
  });

  test.each(["", undefined, "a b", "user@host", "host/path", "[::1]", "example.com:2121"])(
    "host %j is refused",
    (host) => {
      expect(problemsOf(() => readFtpConnectionOptions({ host }))).toMatch(/host/);
    },
  );

  test.each([
    ["/", "/"],
    ["", "/"],
    ["/in/", "/in"],
    ["//in//deep/./", "/in/deep"],
    ["relative/folder/", "relative/folder"],
    [".", ""],
  ])("root %j becomes %j", (root, expected) => {
    expect(readFtpConnectionOptions({ host: "h", root }).root).toBe(expected);
  });

  test("an unset environment variable is a problem, not a password", () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what Node-RED leaves there
    const message = problemsOf(() => readFtpConnectionOptions({ host: "h", password: "${FTP_PASSWORD}" }));
    expect(message).toContain("FTP_PASSWORD is not set");
  });

  test("certificates of an authority are accepted, several too", async () => {
    const { ca } = await createAuthority();
    expect(readFtpConnectionOptions({ host: "h", ca: `${ca}\n${ca}` }).ca).toContain("BEGIN CERTIFICATE");
    const broken = ca.replace(/\n.{20}/, "\nAAAA");
    expect(problemsOf(() => readFtpConnectionOptions({ host: "h", ca: broken }))).toMatch(/ca must hold/);
  });

  test.each([undefined, null, "text", 7, []])("settings of %j are refused", (settings) => {
    expect(problemsOf(() => readFtpConnectionOptions(settings))).toMatch(/FTP connection/);
    expect(problemsOf(() => readFtpWriterOptions(settings))).toMatch(/FTP writer/);
  });
});

describe("writer", () => {
  test("defaults", () => {
    expect(readFtpWriterOptions({})).toEqual({
      makeFolders: true,
      temporaryName: true,
      verify: "automatic",
      checksumFile: "none",
      conflict: "replace",
    });
  });

  test("every problem at once", () => {
    const message = problemsOf(() =>
      readFtpWriterOptions({
        makeFolders: 1,
        temporaryName: "x",
        verify: "md5",
        checksumFile: "crc",
        conflict: "merge",
      }),
    );
    for (const name of ["makeFolders", "temporaryName", "verify", "checksumFile", "conflict"]) {
      expect(message).toMatch(new RegExp(`\\b${name} must`));
    }
  });
});
