import { beforeAll, describe, expect, test } from "vitest";
import {
  type CertificatePair,
  createAuthority,
  selfSignedCertificate,
  type TestAuthority,
} from "../../support/certificates";
import { filesOf, ftpBench, on } from "./ftp-bench";

let authority: TestAuthority;
let certificate: CertificatePair;

beforeAll(async () => {
  authority = await createAuthority();
  certificate = await authority.issue();
});

describe.each(["explicit", "implicit"] as const)("TLS %s", (mode) => {
  const badCertificates: [string, () => Promise<CertificatePair>, string, RegExp][] = [
    ["self-signed", () => selfSignedCertificate(), "DEPTH_ZERO_SELF_SIGNED_CERT", /known authority/],
    [
      "expired",
      () => authority.issue({ notAfter: new Date(Date.now() - 3_600_000) }),
      "CERT_HAS_EXPIRED",
      /expired/,
    ],
    [
      "for another host",
      () => authority.issue({ hosts: ["other.example"] }),
      "ERR_TLS_CERT_ALTNAME_INVALID",
      /host/,
    ],
    [
      "by an unknown authority",
      async () => (await createAuthority()).issue(),
      // The other authority has the same name, and another key.
      "CERT_SIGNATURE_FAILURE",
      /certificate|TLS/,
    ],
  ];

  test.each(badCertificates)(
    "a certificate that is %s: invalid, and nothing is sent",
    async (_title, make, code, says) => {
      const bench = await ftpBench({
        server: { tls: { ...(await make()), mode } },
        connection: { security: mode, ca: authority.ca },
      });
      const error = await bench.fail("secret", "a.txt");
      expect(error).toMatchObject({ kind: "invalid", code });
      expect(error.message).toMatch(says);
      expect(bench.server.commands.filter((command) => !command.startsWith("AUTH"))).toEqual([]);
      expect(await filesOf(bench)).toEqual({});
    },
  );

  test("a certificate of the well-known authorities is asked for when no other is given", async () => {
    const bench = await ftpBench({
      server: { tls: { ...certificate, mode } },
      connection: { security: mode },
    });
    expect(await bench.fail("secret", "a.txt")).toMatchObject({ kind: "invalid" });
  });

  test("verification can be switched off, and then any certificate will do", async () => {
    const bench = await ftpBench({
      server: {
        tls: { ...(await selfSignedCertificate(["other.example"])), mode, requireSessionReuse: true },
      },
      connection: { security: mode, verifyCertificate: false },
    });
    await bench.deliver("content", "a.txt");
    expect(await filesOf(bench)).toEqual({ "a.txt": "content" });
  });

  test("the certificate's name can be given", async () => {
    const bench = await ftpBench({
      server: {
        tls: { ...(await authority.issue({ hosts: ["ftp.example.com"] })), mode, requireSessionReuse: true },
      },
      connection: { security: mode, ca: authority.ca, serverName: "ftp.example.com" },
    });
    await bench.deliver("content", "a.txt");
    expect(await filesOf(bench)).toEqual({ "a.txt": "content" });
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "%s: twenty files over one session, empty ones among them, each resumed",
    async (maxVersion) => {
      const bench = await ftpBench({
        server: { tls: { ...certificate, mode, requireSessionReuse: true, maxVersion } },
        connection: { security: mode, ca: authority.ca, maxSessions: 1 },
      });
      const contents = Array.from({ length: 20 }, (_, n) => (n % 3 === 0 ? "" : `file ${n}`));
      for (const [n, content] of contents.entries()) await bench.deliver(content, `${n}.txt`);
      expect(Object.keys(await filesOf(bench))).toHaveLength(20);
      for (const [n, content] of contents.entries()) {
        expect(String(await bench.disk.read(`${n}.txt`))).toBe(content);
      }
      expect(bench.server.commands.filter((command) => command.startsWith("USER"))).toHaveLength(1);
    },
  );

  test("a missing folder is made, though the refused upload breaks its data connection", async () => {
    const bench = await ftpBench({
      server: { tls: { ...certificate, mode, requireSessionReuse: true } },
      connection: { security: mode, ca: authority.ca },
    });
    await bench.deliver("", "new/folder/empty.txt");
    await bench.deliver("x", "new/other/full.txt");
    expect(await filesOf(bench)).toEqual({ "new/folder/empty.txt": "", "new/other/full.txt": "x" });
  });
});

describe("TLS that is not there", () => {
  test.each(["500 AUTH not understood.", "502 No.", "504 No.", "534 Not here."])(
    "AUTH is refused with %s: invalid, and neither user nor password is sent",
    async (reply) => {
      const bench = await ftpBench({ connection: { security: "explicit" } });
      bench.server.hook = on("AUTH", { reply });
      const error = await bench.fail("secret", "a.txt");
      expect(error).toMatchObject({ kind: "invalid", code: reply.slice(0, 3) });
      expect(error.message).toMatch(/clear text/);
      expect(bench.server.commands).toEqual(["AUTH TLS"]);
    },
  );

  test("PROT P is refused: invalid, no file is sent in clear text", async () => {
    const bench = await ftpBench({
      server: { tls: { ...certificate, mode: "explicit" } },
      connection: { security: "explicit", ca: authority.ca },
    });
    bench.server.hook = on("PROT", { reply: "536 Not supported." });
    expect(await bench.fail("secret", "a.txt")).toMatchObject({ kind: "invalid", code: "536" });
    expect(bench.server.commands.join()).not.toContain("STOR");
  });

  test("implicit TLS to a plain server: invalid", async () => {
    const bench = await ftpBench({ connection: { security: "implicit", connectTimeoutMs: 3_000 } });
    expect(await bench.fail("secret", "a.txt")).toMatchObject({ kind: "invalid" });
  });

  test("no TLS to a server that expects it from the first byte: a time-out that says so", async () => {
    const bench = await ftpBench({
      server: { tls: { ...certificate, mode: "implicit" } },
      connection: { connectTimeoutMs: 500 },
    });
    const error = await bench.fail("secret", "a.txt");
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(error.message).toMatch(/TLS from the first byte/);
  });

  test("no TLS to a server that requires AUTH: denied or invalid, and no password is sent", async () => {
    const bench = await ftpBench({ server: { tls: { ...certificate, mode: "explicit" } } });
    expect((await bench.fail("secret", "a.txt")).retryable).toBe(false);
    expect(bench.server.commands).not.toContain("PASS");
  });
});
