import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { ErrorKind } from "../../../src/lib/errors";
import { classifyFtpError, type FtpErrorPlace, type FtpStep } from "../../../src/lib/writers/ftp/errors";

const where = "the FTP server ftp.example.com:21";

function place(step: FtpStep, more: Partial<FtpErrorPlace> = {}): FtpErrorPlace {
  return { where, step, path: "/reports/a.csv", folderExists: true, utf8: true, ...more };
}

/** As basic-ftp throws it. */
function reply(text: string): Error {
  return Object.assign(new Error(text), { name: "FTPError", code: Number(text.slice(0, 3)) });
}

interface Row {
  error: string;
  step: FtpStep;
  kind: ErrorKind;
  more?: Partial<FtpErrorPlace>;
  maxAttempts?: number;
  says?: RegExp;
}

const rows: Row[] = [
  { error: "421 Service not available", step: "connect", kind: "unavailable" },
  { error: "421 Timeout.", step: "store", kind: "unavailable" },
  {
    error: "421 There are too many connections from your internet address.",
    step: "connect",
    kind: "throttled",
  },
  { error: "421 Maximum number of clients reached", step: "login", kind: "throttled" },
  { error: "120 Service ready in 5 minutes", step: "connect", kind: "unavailable" },
  { error: "425 Can't open data connection.", step: "store", kind: "unavailable", says: /passive ports/ },
  { error: "425 Failed to establish connection", step: "passive", kind: "unavailable", says: /firewall/ },
  { error: "426 Connection closed; transfer aborted.", step: "store", kind: "unavailable" },
  { error: "430 Invalid username or password", step: "login", kind: "denied", maxAttempts: 3 },
  { error: "530 Login incorrect.", step: "login", kind: "denied", maxAttempts: 3, says: /password/ },
  { error: "530 Sorry, too many users are logged in", step: "login", kind: "throttled" },
  { error: "532 Need account for storing files", step: "store", kind: "denied", maxAttempts: 3 },
  { error: "332 Need account for login", step: "login", kind: "denied", maxAttempts: 3 },
  { error: "450 File busy", step: "store", kind: "unavailable" },
  { error: "451 Local error in processing", step: "store", kind: "unavailable" },
  { error: "452 Insufficient storage", step: "store", kind: "unavailable", maxAttempts: 4, says: /full/ },
  { error: "552 Quota exceeded", step: "store", kind: "unavailable", maxAttempts: 4, says: /full/ },
  { error: "500 What?", step: "store", kind: "unavailable" },
  { error: "501 Bad name", step: "store", kind: "rejected" },
  { error: "503 Bad sequence", step: "rename", kind: "unavailable", maxAttempts: 2 },
  { error: "504 Not for that parameter", step: "store", kind: "rejected" },
  { error: "551 Page type unknown", step: "store", kind: "rejected" },
  { error: "553 Could not create file.", step: "store", kind: "rejected", says: /\/reports\/a\.csv/ },
  { error: "550 Permission denied.", step: "store", kind: "denied", says: /permission/ },
  { error: "550 Permission denied.", step: "rename", kind: "denied" },
  {
    error: "550 Failed to change directory.",
    step: "folder",
    kind: "missing",
    more: { folderExists: false },
    says: /folder/,
  },
  { error: "550 The file is locked", step: "store", kind: "unavailable" },
  { error: "550 Resource busy", step: "rename", kind: "unavailable" },
  { error: "522 SSL connection failed: session reuse required", step: "store", kind: "invalid" },
  { error: "533 Command protection level denied", step: "secure", kind: "invalid" },
  { error: "534 Request denied for policy reasons", step: "secure", kind: "invalid" },
  { error: "536 Requested PROT level not supported", step: "secure", kind: "invalid" },
  { error: "431 Need some unavailable resource", step: "secure", kind: "invalid" },
  { error: "500 AUTH not understood", step: "secure", kind: "invalid", says: /clear text/ },
  { error: "502 No TLS here", step: "secure", kind: "invalid" },
  { error: "530 Please login with USER and PASS.", step: "secure", kind: "invalid" },
  { error: "599 Who knows", step: "store", kind: "unavailable" },
];

describe("replies", () => {
  test.each(rows)("$error ($step) is $kind", ({ error, step, kind, more, maxAttempts, says }) => {
    const classified = classifyFtpError(reply(error), place(step, more));
    expect(classified).toMatchObject({ kind, code: error.slice(0, 3) });
    expect(classified.maxAttempts).toBe(maxAttempts);
    expect(classified.message).toContain("The FTP server ftp.example.com:21");
    expect(classified.message).toContain(error.replace(/\.$/, ""));
    expect(classified.message).toMatch(says ?? /\.$/);
  });

  test("a full destination is given time", () => {
    expect(classifyFtpError(reply("452 Disk full"), place("store")).retryAfterMs).toBeGreaterThanOrEqual(
      30_000,
    );
  });

  test("several lines become one, control characters go, length is bounded", () => {
    const text = `553-Line one\r\n553-\u001b[31mLine\u0000 two\n553 ${"x".repeat(1000)}`;
    const { message } = classifyFtpError(reply(text), place("store"));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(message).not.toMatch(/[\u0000-\u001f]/);
    expect(message).toContain("553-Line one 553- [31mLine two");
    expect(message.length).toBeLessThan(500);
  });

  test.each([501, 550, 551, 553])(
    "%i for a name beyond ASCII hints at UTF-8 when the server lacks it",
    (code) => {
      const error = reply(`${code} No such thing`);
      const path = "/ünï 名.txt";
      expect(classifyFtpError(error, place("store", { path, utf8: false })).message).toMatch(/UTF-8/);
      expect(classifyFtpError(error, place("store", { path, utf8: true })).message).not.toMatch(/UTF-8/);
      expect(classifyFtpError(error, place("store", { path: "/a", utf8: false })).message).not.toMatch(
        /UTF-8/,
      );
    },
  );
});

const transport: [string, string | undefined, ErrorKind, string][] = [
  ["connect ECONNREFUSED 127.0.0.1:21", "ECONNREFUSED", "unavailable", "ECONNREFUSED"],
  ["getaddrinfo ENOTFOUND nowhere", "ENOTFOUND", "unavailable", "ENOTFOUND"],
  ["read ECONNRESET (control socket)", "ECONNRESET", "unavailable", "ECONNRESET"],
  ["write EPIPE", "EPIPE", "unavailable", "EPIPE"],
  ["Timeout (control socket)", undefined, "unavailable", "ETIMEDOUT"],
  ["Timeout: the data connection stalled", undefined, "unavailable", "ETIMEDOUT"],
  ["Server sent FIN packet unexpectedly, closing connection.", undefined, "unavailable", "ECONNRESET"],
  ["Client is closed because Server sent FIN packet unexpectedly", "0", "unavailable", "ECONNRESET"],
  ["self-signed certificate", "DEPTH_ZERO_SELF_SIGNED_CERT", "invalid", "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ["certificate has expired", "CERT_HAS_EXPIRED", "invalid", "CERT_HAS_EXPIRED"],
  ["Hostname/IP does not match", "ERR_TLS_CERT_ALTNAME_INVALID", "invalid", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["wrong version number", "EPROTO", "unavailable", "ECONNRESET"],
  ["open EMFILE", "EMFILE", "local", "EMFILE"],
];

describe("the connection", () => {
  test.each(transport)("%s (%s) is %s", (message, code, kind, shown) => {
    const error = Object.assign(new Error(message), code === undefined ? {} : { code });
    expect(classifyFtpError(error, place("store"))).toMatchObject({ kind, code: shown });
  });

  test.each(["EPROTO", "ERR_SSL_WRONG_VERSION_NUMBER"])(
    "%s before TLS has ever worked is invalid",
    (code) => {
      const error = Object.assign(new Error("wrong version number"), { code });
      expect(classifyFtpError(error, place("secure"))).toMatchObject({ kind: "invalid", code });
    },
  );

  test("anything unknown is unavailable", () => {
    expect(classifyFtpError("what?", place("look")).kind).toBe("unavailable");
    expect(classifyFtpError(undefined, place("look")).kind).toBe("unavailable");
  });
});

describe("secrets", () => {
  const password = "pa$$(w0rd)*";
  const secrets = [password, "bob"];

  test("a reply that echoes them loses them", () => {
    const error = classifyFtpError(
      reply(`530 User bob cannot log in with ${password}, Bobby can`),
      place("login", { secrets }),
    );
    expect(error.message).toContain("530 User *** cannot log in with ***, Bobby can");
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(password);
  });

  test("so do causes, their stacks and their properties", () => {
    const cause = Object.assign(new Error(`no way, ${password}`), {
      code: "ECONNRESET",
      options: { password },
    });
    const error = classifyFtpError(cause, place("login", { secrets }));
    expect(error.cause).toBeInstanceOf(Error);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(password);
  });
});
