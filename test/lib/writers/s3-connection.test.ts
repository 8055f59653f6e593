import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DeliveryError } from "../../../src/lib/errors";
import { importOptionalPeer } from "../../../src/lib/optional-peer";
import { createS3Connection, readS3ConnectionOptions, type S3Connection } from "../../../src/lib/writers/s3";
import { lookAt } from "../../../src/lib/writers/s3/look";
import { createAuthority, selfSignedCertificate, type TestAuthority } from "../../support/certificates";

const closers: (() => void)[] = [];
const { signal: never } = new AbortController();

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

function connect(options: object): S3Connection {
  const connection = createS3Connection(
    readS3ConnectionOptions({ accessKeyId: "AKIDEXAMPLE", secretAccessKey: "canary-secret", ...options }),
  );
  closers.push(() => connection.close());
  return connection;
}

const look = (connection: S3Connection, signal = never) =>
  lookAt(connection, { bucket: "reports", key: "a.txt" }, signal);

async function lookFails(connection: S3Connection): Promise<DeliveryError> {
  const result = await look(connection);
  expect(result.state).toBe("unknown");
  return (result as { error: DeliveryError }).error;
}

const notFound = (_: IncomingMessage, response: ServerResponse) => response.writeHead(404).end();

describe("TLS", () => {
  let authority: TestAuthority;
  beforeAll(async () => {
    authority = await createAuthority();
  });
  const secured = async (pair: { key: string; cert: string }) =>
    `https://127.0.0.1:${await listen(createHttpsServer(pair, notFound))}`;

  test("an authority of one's own is trusted when it is given, and only then", async () => {
    const endpoint = await secured(await authority.issue());
    expect(await look(connect({ endpoint, ca: authority.ca }))).toEqual({ state: "absent" });
    const error = await lookFails(connect({ endpoint }));
    expect(error.kind).toBe("invalid");
    expect(error.message).toContain(endpoint);
  });

  test("a self-signed certificate passes only with the check switched off", async () => {
    const endpoint = await secured(await selfSignedCertificate());
    expect((await lookFails(connect({ endpoint }))).kind).toBe("invalid");
    expect(await look(connect({ endpoint, verifyCertificate: false }))).toEqual({ state: "absent" });
  });

  test("a certificate that has expired, or is for another host", async () => {
    const expired = await authority.issue({ notAfter: new Date(Date.now() - 1000) });
    const elsewhere = await authority.issue({ hosts: ["elsewhere.test"] });
    for (const [pair, words] of [
      [expired, "expired"],
      [elsewhere, "another host"],
    ] as const) {
      const error = await lookFails(connect({ endpoint: await secured(pair), ca: authority.ca }));
      expect(error.kind).toBe("invalid");
      expect(error.message).toContain(words);
    }
  });

  test("https to a server that speaks http, and the other way round", async () => {
    const plain = await listen(createHttpServer(notFound));
    expect((await lookFails(connect({ endpoint: `https://127.0.0.1:${plain}` }))).kind).toBe("invalid");
    const endpoint = (await secured(await authority.issue())).replace("https", "http");
    expect((await lookFails(connect({ endpoint }))).kind).toBe("unavailable");
  });
});

describe("time-outs and losses", () => {
  test("a server that never answers", async () => {
    const port = await listen(createTcpServer((socket) => socket.resume()));
    const started = Date.now();
    const error = await lookFails(connect({ endpoint: `http://127.0.0.1:${port}`, idleTimeoutMs: 300 }));
    expect(error).toMatchObject({ kind: "unavailable", code: "ETIMEDOUT" });
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test("nobody listens", async () => {
    const server = createTcpServer();
    const port = await listen(server);
    closers.pop()?.();
    const error = await lookFails(connect({ endpoint: `http://127.0.0.1:${port}` }));
    expect(error).toMatchObject({ kind: "unavailable", code: "ECONNREFUSED" });
    expect(error.message).toContain(`http://127.0.0.1:${port}`);
  });

  test("a server that speaks something else", async () => {
    const port = await listen(createTcpServer((socket) => socket.end("220 ftp.example.com ready\r\n")));
    const error = await lookFails(connect({ endpoint: `http://127.0.0.1:${port}` }));
    expect(error.kind).toBe("unavailable");
  });

  test("the signal ends a request at once, and so does closing", async () => {
    const port = await listen(createTcpServer((socket) => socket.resume()));
    const connection = connect({ endpoint: `http://127.0.0.1:${port}` });
    const started = Date.now();
    await expect(look(connection, AbortSignal.timeout(100))).rejects.toMatchObject({ kind: "cancelled" });
    setTimeout(() => connection.close(), 100);
    expect(await lookFails(connection)).toMatchObject({ kind: "cancelled" });
    expect(await lookFails(connection)).toMatchObject({ kind: "cancelled" });
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});

describe("a role to assume", () => {
  const roleArn = "arn:aws:iam::123456789012:role/upload";
  const temporary = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
    <Credentials><AccessKeyId>ASIATEMPORARY0000001</AccessKeyId><SecretAccessKey>temporary-secret</SecretAccessKey>
    <SessionToken>temporary-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
    </AssumeRoleResult></AssumeRoleResponse>`;

  async function tokenService(answer: (response: ServerResponse) => void): Promise<URLSearchParams[]> {
    const asked: URLSearchParams[] = [];
    const port = await listen(
      createHttpServer(async (request, response) => {
        asked.push(new URLSearchParams(await text(request)));
        answer(response);
      }),
    );
    process.env.AWS_ENDPOINT_URL_STS = `http://127.0.0.1:${port}`;
    closers.push(() => {
      delete process.env.AWS_ENDPOINT_URL_STS;
    });
    return asked;
  }

  test("its temporary keys sign the requests", async () => {
    const asked = await tokenService((response) => response.writeHead(200).end(temporary));
    const seen: IncomingMessage["headers"][] = [];
    const port = await listen(
      createHttpServer((request, response) => {
        seen.push(request.headers);
        response.writeHead(404).end();
      }),
    );
    const connection = connect({
      endpoint: `http://127.0.0.1:${port}`,
      authentication: "role",
      roleArn,
      roleExternalId: "partner-7",
    });
    await look(connection);
    await look(connection);
    expect(asked.map((form) => [form.get("RoleArn"), form.get("ExternalId")])).toEqual([
      [roleArn, "partner-7"],
    ]);
    expect(seen[1]?.authorization).toContain("Credential=ASIATEMPORARY0000001/");
    expect(seen[1]?.["x-amz-security-token"]).toBe("temporary-token");
  });

  test("a role that may not be assumed", async () => {
    await tokenService((response) =>
      response
        .writeHead(403)
        .end(
          "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>",
        ),
    );
    const error = await lookFails(
      connect({ endpoint: "http://127.0.0.1:9", authentication: "role", roleArn }),
    );
    expect(error.kind).toBe("denied");
    expect(error.message).toContain("sts:AssumeRole");
  });

  test("the package for it is not installed", async () => {
    const name = "@aws-sdk/not-installed";
    await expect(importOptionalPeer(name, "assume a role", () => import(name))).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(`npm install ${name}`),
    });
  });
});

test("what a connection is called", () => {
  expect(connect({ region: "eu-central-1" }).description).toBe("Amazon S3 in eu-central-1");
  expect(connect({ endpoint: "https://s3.example.com/" }).description).toBe(
    "the S3 server https://s3.example.com (region us-east-1)",
  );
});
