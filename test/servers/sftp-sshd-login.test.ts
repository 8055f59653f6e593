import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { requireTool } from "../support/required";
import { type Sshd, sshdPath } from "../support/sshd";
import { sftpBench } from "./sftp-bench";

const available = requireTool("openssh-server", sshdPath);
const withPassword = ({ password }: Sshd) => ({ privateKey: undefined, password });
/** PAM is what asks for passwords in that way. */
const typedIn = { UsePAM: "yes", PasswordAuthentication: "no", KbdInteractiveAuthentication: "yes" };

describe.runIf(available)("logging in", () => {
  test.each([
    ["a key", () => ({}), undefined],
    ["a password", withPassword, undefined],
    ["a password that is asked for as if typed in", withPassword, typedIn],
    [
      "a key under a passphrase",
      ({ protectedKey, passphrase }: Sshd) => ({ privateKey: protectedKey, passphrase }),
      undefined,
    ],
    [
      "a key on one line, as environment variables have it",
      ({ privateKey }: Sshd) => ({ privateKey: privateKey.replaceAll("\n", "\\n") }),
      undefined,
    ],
    [
      "a key and a password, both wanted",
      ({ password }: Sshd) => ({ password }),
      { AuthenticationMethods: "publickey,password" },
    ],
    [
      "a key, and a password as if typed in, both wanted",
      ({ password }: Sshd) => ({ password }),
      { ...typedIn, AuthenticationMethods: "publickey,keyboard-interactive" },
    ],
  ])("by %s", async (_title, connection, settings) => {
    const { deliver, files } = await sftpBench(connection, settings && { settings });
    expect(await deliver("Hello", "in/a.txt")).toMatchObject({ outcome: "delivered", verified: "size" });
    expect(await files()).toEqual({ "in/a.txt": "Hello" });
  });

  const canary = "c4nary-p+%w0&r)d";
  test.each([
    [
      "a wrong password",
      () => ({ privateKey: undefined, password: canary }),
      {},
      /did not take the password/,
    ],
    [
      "a wrong password, as if typed in",
      () => ({ privateKey: undefined, password: canary }),
      typedIn,
      /did not take the password/,
    ],
    [
      "an unknown user",
      () => ({ user: "nobody-here", password: canary }),
      {},
      /the private key and the password/,
    ],
    [
      "a key where only passwords are taken",
      () => ({}),
      { PubkeyAuthentication: "no" },
      /takes only .*password.*Give the connection what it takes/,
    ],
  ])("%s: denied, and in no error", async (_title, connection, settings, reason) => {
    const { server, deliver } = await sftpBench(connection, { settings });
    const error = await deliver("x", "a.txt").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: "denied", code: "SSH_AUTHENTICATION_FAILED", maxAttempts: 3 });
    expect((error as Error).message).toMatch(reason);
    const shown = inspect(error, { depth: 10, showHidden: true });
    for (const secret of [canary, server.privateKey]) expect(shown).not.toContain(secret);
    // More would lock the account on some servers.
    expect((await server.log()).match(/Failed password/g)?.length ?? 0).toBeLessThanOrEqual(1);
  });

  test.each([
    [
      "a wrong passphrase",
      (server: Sshd) => ({ privateKey: server.protectedKey, passphrase: "c4nary wrong" }),
    ],
    ["no passphrase", (server: Sshd) => ({ privateKey: server.protectedKey })],
    ["half a key", (server: Sshd) => ({ privateKey: server.privateKey.slice(0, 150) })],
  ])("%s: invalid, nothing is connected", async (_title, connection) => {
    const { proxy, deliver } = await sftpBench(connection);
    const error = await deliver("x", "a.txt").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: "invalid", code: "PRIVATE_KEY_UNUSABLE" });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("c4nary");
    expect(proxy.connections).toBe(0);
  });

  test("a user who has no SFTP: denied", async () => {
    const { deliver } = await sftpBench(undefined, { settings: { Subsystem: "other /bin/false" } });
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({ kind: "denied", code: "SFTP_REFUSED" });
  });

  test("a user who gets another program: denied", async () => {
    const { deliver } = await sftpBench(undefined, { settings: { ForceCommand: "/bin/false" } });
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({ kind: "denied", code: "SFTP_REFUSED" });
  });
});

describe.runIf(available)("host keys", () => {
  test.each(["ed25519", "ecdsa", "rsa"] as const)("the fingerprint of the %s key is enough", async (type) => {
    const { proxy, deliver } = await sftpBench(({ fingerprints }) => ({ hostKeys: fingerprints[type] }));
    await deliver("Hello", "a.txt");
    const first = proxy.connections;
    proxy.now("reset");
    await deliver("Hello", "b.txt");
    // What a server shows instead is remembered: later sessions need one connection each.
    expect(proxy.connections).toBe(first + 1);
  });

  test.each(["ed25519", "ecdsa", "rsa"] as const)("one line of ssh-keyscan, %s", async (type) => {
    const { proxy, deliver } = await sftpBench(({ knownHosts, host }) => {
      const line = knownHosts.split("\n").find((text) => text.includes(type)) ?? "";
      return { hostKeys: line.replace(/^\S+/, `${host},*`) };
    });
    await deliver("Hello", "a.txt");
    expect(proxy.connections).toBe(1);
  });

  const other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

  test("another one than pinned: invalid, all that it shows are named, and no user is sent", async () => {
    const { server, deliver } = await sftpBench(() => ({ hostKeys: other }));
    const error = await deliver("x", "a.txt").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: "invalid", code: "HOST_KEY_MISMATCH" });
    for (const fingerprint of Object.values(server.fingerprints)) {
      expect((error as Error).message).toContain(fingerprint);
    }
    expect(await server.log()).not.toContain(server.user);
  });

  test("another one of the same kind: invalid", async () => {
    const { server, proxy, deliver } = await sftpBench(() => ({
      hostKeys: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0nYzJ6xkY6oXbFbqYQH1vWQb1Tn0y4j1nVhJ9cQ0aB",
    }));
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({
      kind: "invalid",
      code: "HOST_KEY_MISMATCH",
      message: expect.stringContaining(server.fingerprints.ed25519),
    });
    expect(proxy.connections).toBe(1);
  });

  test("a revoked one: invalid", async () => {
    const { deliver } = await sftpBench(({ knownHosts, fingerprints }) => ({
      hostKeys: `@revoked ${(knownHosts.split("\n")[0] ?? "").replace(/^\S+/, "*")}\n${fingerprints.rsa}`,
    }));
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({ kind: "invalid", code: "HOST_KEY_REVOKED" });
  });

  test("the first contact: nothing is delivered, and the error shows the key", async () => {
    const { server, deliver, files } = await sftpBench(() => ({ hostKeys: "", hostKeyCheck: "show" }));
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({
      kind: "invalid",
      code: "HOST_KEY_SHOWN",
      message: expect.stringContaining(`${server.fingerprints.ed25519} (ssh-ed25519)`),
    });
    expect(await files()).toEqual({});
    expect(await server.log()).not.toContain(server.user);
  });

  test("no algorithm in common: invalid", async () => {
    const { deliver } = await sftpBench(undefined, {
      settings: { KexAlgorithms: "sntrup761x25519-sha512@openssh.com" },
    });
    await expect(deliver("x", "a.txt")).rejects.toMatchObject({
      kind: "invalid",
      code: "SSH_DISCONNECT_KEY_EXCHANGE_FAILED",
    });
  });
});
