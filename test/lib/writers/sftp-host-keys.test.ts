import { createHash, createHmac, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { describeHostKey, readHostKeys } from "../../../src/lib/writers/sftp/host-keys";

/** A key's blob as RFC 4253 §6.6 has it, with random content. */
function makeKey(type: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), randomBytes(36)]);
}

const ed25519 = makeKey("ssh-ed25519");
const rsa = makeKey("ssh-rsa");
const line = (key: Buffer, type: string, names?: string) =>
  [names, type, key.toString("base64")].filter((part) => part !== undefined).join(" ");
const fingerprintOf = (key: Buffer) => describeHostKey(key).fingerprint;

function hashed(name: string): string {
  const salt = randomBytes(20);
  const hash = createHmac("sha1", salt).update(name).digest("base64");
  return `|1|${salt.toString("base64")}|${hash}`;
}

function read(text: string, port = 22) {
  const problems: string[] = [];
  const keys = readHostKeys(text, { host: "SFTP.example.com", port }, (problem) => problems.push(problem));
  return { ...keys, problems };
}

test("a key is described as ssh-keygen does it", () => {
  const digest = createHash("sha256").update(ed25519).digest("base64").replace(/=+$/, "");
  expect(describeHostKey(ed25519)).toEqual({ type: "ssh-ed25519", fingerprint: `SHA256:${digest}` });
});

describe("what is trusted", () => {
  const fingerprint = fingerprintOf(ed25519);
  const known = line(ed25519, "ssh-ed25519", "sftp.example.com");

  test.each([
    ["a fingerprint", fingerprint],
    ["a fingerprint with its padding", `${fingerprint}=`],
    ["a line of ssh-keygen -l", `256 ${fingerprint} root@sftp (ED25519)`],
    ["a line of known_hosts", known],
    ["with a comment at its end", `${known} root@sftp`],
    ["among comments and empty lines", `# the partner\n\n${known}\r\n\n`],
    ["among several names", line(ed25519, "ssh-ed25519", "other.example.com,sftp.example.com,10.0.0.1")],
    ["by a pattern", line(ed25519, "ssh-ed25519", "*.example.com")],
    ["by a pattern with a question mark", line(ed25519, "ssh-ed25519", "s?tp.example.*")],
    ["by a hashed name", line(ed25519, "ssh-ed25519", hashed("sftp.example.com"))],
    ["a bare public key", line(ed25519, "ssh-ed25519")],
    ["lines of an environment variable", `# one\\n${known}`],
  ])("%s", (_title, text) => {
    const { trusted, problems } = read(text);
    expect([...trusted]).toEqual([fingerprint]);
    expect(problems).toEqual([]);
  });

  test.each([
    ["by name", "[sftp.example.com]:2222"],
    ["by a hashed name", hashed("[sftp.example.com]:2222")],
  ])("at another port, %s", (_title, names) => {
    expect([...read(line(ed25519, "ssh-ed25519", names), 2222).trusted]).toEqual([fingerprint]);
    expect(read(line(ed25519, "ssh-ed25519", names)).trusted.size).toBe(0);
  });

  test("the kinds of keys are known from lines, and unknown as soon as there is a fingerprint", () => {
    const lines = `${known}\n${line(rsa, "ssh-rsa", "sftp.example.com")}`;
    expect([...read(lines).types]).toEqual(["ssh-ed25519", "ssh-rsa"]);
    expect(read(`${known}\n${fingerprintOf(rsa)}`).types.size).toBe(0);
  });
});

describe("what is not", () => {
  test.each([
    ["another host", "sftp.example.org"],
    ["another port", "[sftp.example.com]:2222"],
    ["a hashed name of another host", hashed("sftp.example.org")],
    ["a pattern that excludes it", "*.example.com,!sftp.example.com"],
    ["a name that only looks like a pattern", "sftp.example.co."],
  ])("%s: told that no line is for this host", (_title, names) => {
    const { trusted, problems } = read(line(ed25519, "ssh-ed25519", names));
    expect(trusted.size).toBe(0);
    expect(problems).toEqual(["none of the lines is for SFTP.example.com"]);
  });

  test("a revoked key", () => {
    const { trusted, revoked } = read(`@revoked ${line(ed25519, "ssh-ed25519", "*")}\n${fingerprintOf(rsa)}`);
    expect([...trusted]).toEqual([fingerprintOf(rsa)]);
    expect([...revoked]).toEqual([fingerprintOf(ed25519)]);
  });

  test("an authority: its certificates are not supported, the keys beside it are", () => {
    const { trusted, problems } = read(
      `@cert-authority ${line(rsa, "ssh-rsa", "*")}\n${line(ed25519, "ssh-ed25519", "sftp.example.com")}`,
    );
    expect([...trusted]).toEqual([fingerprintOf(ed25519)]);
    expect(problems).toEqual([]);
  });

  test.each([
    ["a word", "sftp.example.com"],
    ["an MD5 fingerprint", "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"],
    ["half a fingerprint", "SHA256:abc"],
    ["a key cut off", line(ed25519.subarray(0, 8), "ssh-ed25519", "sftp.example.com")],
    ["a key of another kind than it says", line(rsa, "ssh-ed25519", "sftp.example.com")],
  ])("%s: told by its line", (_title, text) => {
    const { trusted, problems } = read(`# first\n${text}`);
    expect(trusted.size).toBe(0);
    expect(problems).toEqual(["line 2 is neither a SHA256 fingerprint nor a line of a known_hosts file"]);
  });
});
