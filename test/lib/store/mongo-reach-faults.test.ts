import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { createAuthority } from "../../support/certificates";
import { freePort } from "../../support/free-port";
import { problemOf, useMongoServer } from "./mongo-bench";

const bench = useMongoServer();
const { open } = bench;

describe("what is wrong with the settings is said in words, without the password", () => {
  test("a wrong password, a wrong user, none at all", async () => {
    const wrong = "Wr0ng-Secret";
    expect(await problemOf(open({ password: wrong }).counts(), wrong)).toMatch(/refuses the login/);
    expect(await problemOf(open({ user: "nobody" }).counts())).toMatch(/refuses the login/);
    expect(await problemOf(open({ user: "" }).counts())).toMatch(/lacks rights/);
  });

  test("a port where nothing listens, and one where nobody answers", async () => {
    const port = await freePort();
    expect(await problemOf(open({ port }).counts())).toMatch(new RegExp(`127.0.0.1:${port}.*ECONNREFUSED`));
    const silent = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port: silentPort } = silent.address() as { port: number };
    const options = { port: silentPort, connectTimeoutMs: 1_000 };
    expect(await problemOf(open(options).counts())).toMatch(/does not answer|in time/);
    silent.close();
  }, 60_000);

  test("a name that nobody knows, alone and to look up servers by", async () => {
    expect(await problemOf(open({ host: "nowhere.invalid" }).counts())).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect(await problemOf(open({ host: "db.nowhere.invalid", srv: true }).counts())).toMatch(
      /^The delivery store .*cannot be used.*db\.nowhere\.invalid/,
    );
  }, 60_000);

  test("something that is no MongoDB", async () => {
    const web = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(
      0,
      "127.0.0.1",
    );
    await new Promise((resolve) => web.once("listening", resolve));
    const { port } = web.address() as { port: number };
    expect(await problemOf(open({ port }).counts())).toMatch(/does not fit|does not answer/);
    web.close();
  }, 60_000);
});

test("TLS is checked against the authority", async () => {
  const authority = await createAuthority();
  await bench.restart({ tls: await authority.issue() });
  const tls = { security: "tls" } as const;
  expect(await problemOf(open(tls).counts())).toMatch(/not signed by a known/);
  await open({ ...tls, ca: authority.ca }).counts();
  await open({ ...tls, verifyCertificate: false }).counts();
}, 60_000);

test("a certificate for another name is refused, unless certificates are not checked", async () => {
  const authority = await createAuthority();
  await bench.restart({ tls: await authority.issue({ hosts: ["db.example.com"] }) });
  const tls = { security: "tls", ca: authority.ca } as const;
  expect(await problemOf(open(tls).counts())).toMatch(/for another host name/);
  await open({ ...tls, verifyCertificate: false }).counts();
}, 60_000);

test("a clock that is wrong is told of, and one that is very wrong is not worked with", async () => {
  bench.server.clockSkewMs = 4_000;
  await open().counts();
  expect(bench.notices).toEqual([expect.stringMatching(/is 4 s behind that of MongoDB at 127\.0\.0\.1/)]);
  bench.server.clockSkewMs = -60_000;
  expect(await problemOf(open().counts())).toMatch(/is 60 s ahead of .* the store is not used/);
});
