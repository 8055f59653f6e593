import { execFile } from "node:child_process";
import http from "node:http";
import { type AddressInfo, connect } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type S3Server, startS3Server } from "../../demo/servers/s3";
import { ensureBuilt, packageRoot } from "../support/built-package";
import { createAuthority } from "../support/certificates";
import { provideRuntime } from "../support/runtimes";

const run = promisify(execFile);
/** No DNS knows it: only the proxy does. */
const farHost = "s3.example.test";

/** Delivers a text, and prints where it is, or why not. */
const script = `
const lib = require(${JSON.stringify(path.join(packageRoot, "dist/lib/index.js"))});
const settings = JSON.parse(process.env.SETTINGS);
(async () => {
  const connection = lib.createS3Connection(lib.readS3ConnectionOptions(settings));
  const writer = lib.createS3Writer(connection, lib.readS3WriterOptions({ bucket: "reports" }));
  const source = await lib.openSource({ kind: "text", name: "a.txt", text: "hello" }, { spool: undefined });
  const request = { deliveryId: "1", target: "a.txt", contentType: undefined, metadata: {}, attributes: {} };
  const context = { signal: new AbortController().signal, onProgress: () => undefined };
  const { location } = await writer.write(source, request, context).catch((error) => ({ location: error.message }));
  console.log(location);
  connection.close();
})();`;

let server: S3Server;
let proxy: http.Server;
let ca: string;
let node24: string;
const asked: string[] = [];

beforeAll(async () => {
  await ensureBuilt();
  ({ nodePath: node24 } = await provideRuntime("node-red-5"));
  const authority = await createAuthority();
  ca = authority.ca;
  server = await startS3Server({ tls: await authority.issue({ hosts: [farHost, "127.0.0.1"] }) });
  server.createBucket("reports");
  proxy = http.createServer().on("connect", ({ url = "" }, client, head) => {
    asked.push(url);
    const store = connect(server.port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      store.write(head);
      client.pipe(store).pipe(client);
    });
    store.on("error", () => client.destroy());
    client.on("error", () => store.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
}, 300_000);

afterAll(async () => {
  proxy?.close();
  await server?.close();
});

async function deliver(host: string, env: Record<string, string> = {}): Promise<string> {
  asked.splice(0);
  const { accessKeyId, secretAccessKey, port } = server;
  const endpoint = `https://${host}:${port}`;
  const settings = { endpoint, pathStyle: true, region: "us-east-1", accessKeyId, secretAccessKey, ca };
  const at = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const all = { HTTPS_PROXY: at, NO_PROXY: "127.0.0.1", SETTINGS: JSON.stringify(settings), ...env };
  return (await run(node24, ["-e", script], { env: all })).stdout.trim();
}

test("S3 is reached through the environment's proxy where Node.js is told to use it", async () => {
  expect(await deliver(farHost, { NODE_USE_ENV_PROXY: "1" })).toBe("s3://reports/a.txt");
  expect(asked).toEqual([`${farHost}:${server.port}`]);
  expect((await server.read("reports", "a.txt"))?.toString()).toBe("hello");
});

test("what NO_PROXY names is reached without it", async () => {
  expect(await deliver("127.0.0.1", { NODE_USE_ENV_PROXY: "1" })).toBe("s3://reports/a.txt");
  expect(asked).toEqual([]);
});

test("a proxy that Node.js is not told to use is left alone", async () => {
  expect(await deliver(farHost)).toMatch(
    /host name is not known \(ENOTFOUND\)\. Check its spelling and the DNS\.$/,
  );
  expect(asked).toEqual([]);
});

test("a proxy that does not answer is thought of, without its password", async () => {
  const env = { NODE_USE_ENV_PROXY: "1", HTTPS_PROXY: "http://user:secret-word@127.0.0.1:9" };
  const said = await deliver(farHost, env);
  expect(said).toMatch(/\(ECONNREFUSED\)\..*If a proxy leads there/);
  expect(said).not.toContain("secret-word");
});
