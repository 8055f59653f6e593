import { describe, expect, test } from "vitest";
import { readSftpConnectionOptions, readSftpWriterOptions } from "../../../src/lib/writers/sftp";

const fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const least = { host: "sftp.example.com", user: "me", password: "p", hostKeys: fingerprint };
const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n";

describe("connection", () => {
  test("the defaults", () => {
    expect(readSftpConnectionOptions(least)).toEqual({
      host: "sftp.example.com",
      port: 22,
      user: "me",
      password: "p",
      privateKey: undefined,
      passphrase: undefined,
      hostKeyCheck: "pinned",
      hostKeys: { trusted: new Set([fingerprint]), revoked: new Set(), types: new Set() },
      root: "",
      connectTimeoutMs: 30_000,
      idleTimeoutMs: 60_000,
      maxSessions: 5,
    });
  });

  test.each([
    ["", ""],
    ["incoming/", "incoming"],
    ["/srv//in/./x/", "/srv/in/x"],
    ["/", "/"],
  ])("the folder %j is %j", (root, expected) => {
    expect(readSftpConnectionOptions({ ...least, root }).root).toBe(expected);
  });

  test("a key on one line gets its line breaks back", () => {
    const privateKey = key.replaceAll("\n", "\\n");
    expect(readSftpConnectionOptions({ ...least, privateKey }).privateKey).toBe(key);
  });

  test("the first contact needs no host key", () => {
    const options = readSftpConnectionOptions({ ...least, hostKeys: "", hostKeyCheck: "show" });
    expect(options.hostKeys.trusted.size).toBe(0);
  });

  test.each([
    ["no host", { host: "" }, /host is missing/],
    ["a URL for a host", { host: "sftp://example.com" }, /host must be a host name or an address alone/],
    ["a host with a port", { host: "example.com:22" }, /port; it has a field/],
    ["no user", { user: undefined }, /user is missing/],
    ["nothing to log in with", { password: "" }, /a password or a privateKey is needed/],
    ["a password of two lines", { password: "a\nb" }, /password must be text without line breaks/],
    ["a public key", { privateKey: "ssh-ed25519 AAAA" }, /privateKey must be a private key/],
    ["no host key", { hostKeys: "" }, /hostKeys is missing/],
    ["a host key that is none", { hostKeys: "anything" }, /line 1 is neither/],
    ["an MD5 fingerprint", { hostKeys: "MD5:aa:bb:cc" }, /line 1 is neither a SHA256 fingerprint/],
    ["to accept anything", { hostKeyCheck: "accept" }, /hostKeyCheck must be one of pinned, show/],
    ["a folder above", { root: "../x" }, /root must not hold "\.\."/],
    ["no session", { maxSessions: 0 }, /maxSessions must be/],
  ])("refused: %s", (_title, changes, problem) => {
    expect(() => readSftpConnectionOptions({ ...least, ...changes })).toThrow(problem);
  });

  test("no secret is in what is said of bad settings", () => {
    const secrets = { password: "c4nary\n1", privateKey: "c4nary-2", passphrase: "c4nary\n3" };
    expect(() => readSftpConnectionOptions({ ...least, ...secrets })).toThrow(
      expect.objectContaining({ kind: "invalid", message: expect.not.stringContaining("c4nary") }),
    );
  });
});

describe("writer", () => {
  test("the defaults", () => {
    expect(readSftpWriterOptions({})).toEqual({
      makeFolders: true,
      temporaryName: true,
      verify: "size",
      checksumFile: "none",
      conflict: "replace",
    });
  });

  test.each([
    { verify: "hash" },
    { checksumFile: "crc" },
    { conflict: "append" },
    { makeFolders: "perhaps" },
  ])("refused: %j", (input) => {
    expect(() => readSftpWriterOptions(input)).toThrow(expect.objectContaining({ kind: "invalid" }));
  });
});
