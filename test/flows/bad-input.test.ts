import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FtpServer, startFtpServer } from "../../demo/servers/ftp";
import { type S3Server, startS3Server } from "../../demo/servers/s3";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { provideRuntime } from "../support/runtimes";

/** As an expression. JSON and Node-RED's cloning go down step by step, and run out of stack. */
const deep = "Array.from({ length: 20000 }).reduce((inner) => [inner], [])";

/** Which node gets the message that this code makes, and what is said of it. */
const inputs: [to: string, message: string, said: RegExp][] = [
  ["payload", "const a = {}; a.a = a; return { payload: a };", /cannot be written as JSON/],
  ["payload", "return { payload: { get worst() { throw new Error('no'); } } };", /cannot be written as JSON/],
  ["payload", `return { payload: ${deep} };`, /cannot be written as JSON/],
  ["payload", "return { payload: 10n ** 30n };", /cannot be written as JSON/],
  ["payload", "return { payload: () => 1 };", /type function cannot be delivered/],
  ["text", "return { get topic() { throw new Error('no'); } };", /template .* cannot be filled: no/],
  ["text", "return { topic: () => { throw new Error('no'); } };", /\{\{msg\.topic\}\} has no value/],
  ["file", "return { path: '/etc/passwd\\0.txt' };", /without folders and control characters/],
  ["file", "return { path: '/dev/zero' };", /not a regular file/],
  ["url", "return { url: 'file:///etc/passwd' };", /only http: and https: can be fetched/],
  ["url", "return { url: 'http://127.0.0.1:9/' };", /nothing answers at that address/],
  ["function", "return { code: 'throw undefined' };", /failed: undefined/],
  ["function", "return { code: 'return Promise.reject(null)' };", /failed: null/],
  ["function", "return { code: 'return 5' };", /returned a number/],
  ["function", "return { code: 'return (function* () { yield {}; })()' };", /an object that is no content/],
  [
    "function",
    "return { code: 'return { [Symbol.asyncIterator]() { return {}; } }' };",
    /failed: .* not a function/,
  ],
  ["s3", "return { payload: null };", /the payload is null/],
  ["s3", "return { payload: 'x', name: '../../etc/passwd' };", /could leave the configured folder/],
  ["s3", "return { payload: 'x', name: 'a\\u0000b' };", /a control character/],
  ["s3", "return { payload: 'x', name: 'k'.repeat(1025) };", /S3 takes at most 1024/],
  ["s3", "return { payload: 'x', name: 'a', metadata: 'text' };", /must be an object of names and texts/],
  ["s3", "return { payload: 'x', name: 'a', metadata: { big: 'z'.repeat(1e6) } };", /S3 takes 2048/],
  [
    "s3",
    "return { name: 'a', source: { kind: 'spool', sha256: '../../x', size: 1, name: 'a' } };",
    /its sha256/,
  ],
  ["s3", "return { name: 'a', source: { kind: 'url', url: 'http://x', name: 'a' } };", /cannot name a host/],
  ["s3", "return { name: 'a', source: new Proxy({}, { get() { throw 1; } }) };", /cannot be copied/],
  ["s3", `return { payload: 'x', name: 'a', more: ${deep} };`, /cannot be copied/],
  ["ftp", "return { payload: 'x', name: 'a\\r\\nDELE b' };", /a control character/],
  ["ftp", "return { payload: 'x', name: 'a/../../b' };", /could leave the configured folder/],
  ["ftp", "return { payload: Symbol('x'), name: 'a' };", /type symbol cannot be delivered/],
  ["retry", "return { payload: 'x' };", /tells of no delivery/],
  ["retry", "return { delivery: { id: 'not known' } };", /not known here/],
  ["retry", "return { error: null, delivery: 5 };", /tells of no delivery/],
  ["notify", "return { payload: 'x' };", /tells of no delivery/],
];
/** Buttons for all inputs; what leaves a node goes to `arrived`, what is wrong to `wrong`. */
function flowOf({ s3, ftp }: Servers): FlowNode[] {
  const on = { z: "tab", x: 0, y: 0 };
  const ends = { ...on, wires: [["plain"], ["plain"]] };
  const source = { type: "delivery-data-source", ...on, wires: [["plain"]] };
  const debug = { type: "debug", ...on, active: true, complete: "true", wires: [] };
  return [
    { id: "tab", type: "tab", label: "bad input" },
    ...inputs.flatMap(([to, message], at) => [
      { id: `button-${at}`, type: "inject", ...on, props: [], wires: [[`make-${at}`]] },
      // Not cloned: a node gets the worst that another one can send.
      {
        id: `make-${at}`,
        type: "function",
        ...on,
        func: `node.send((() => { ${message} })(), false);`,
        outputs: 1,
        wires: [[to]],
      },
    ]),
    ...["s3", "ftp"].map((to) => ({
      id: `good-${to}`,
      type: "inject",
      ...on,
      props: [
        { p: "payload", v: "good", vt: "str" },
        { p: "name", v: "good", vt: "str" },
      ],
      wires: [[to]],
    })),
    { id: "text", ...source, kind: "text", text: "{{msg.topic}}" },
    { id: "payload", ...source, kind: "payload" },
    { id: "file", ...source, kind: "file", path: "{{msg.path}}" },
    { id: "url", ...source, kind: "url", url: "{{msg.url}}", allowPrivateAddresses: true },
    {
      id: "function",
      ...source,
      kind: "function",
      func: "return await eval('(async () => {' + msg.code + '})()');",
    },
    {
      id: "s3",
      type: "delivery-s3-writer",
      ...ends,
      connection: "s3-server",
      bucket: "reports",
      key: "{{msg.name}}",
    },
    { id: "ftp", type: "delivery-ftp-writer", ...ends, connection: "ftp-server", path: "{{msg.name}}" },
    { id: "retry", type: "delivery-retry", ...ends },
    { id: "notify", type: "delivery-notify", ...ends, when: "both" },
    {
      id: "s3-server",
      type: "delivery-s3-connection",
      endpoint: s3.endpoint,
      pathStyle: true,
      credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    },
    {
      id: "ftp-server",
      type: "delivery-ftp-connection",
      host: ftp.host,
      port: ftp.port,
      credentials: { user: ftp.user, password: ftp.password },
    },
    { id: "catcher", type: "catch", ...on, scope: null, wires: [["plain"]] },
    // The rest of such a message cannot leave the process.
    {
      id: "plain",
      type: "function",
      ...on,
      func: "return { said: msg.error?.message, by: msg.error?.source?.id, state: msg.delivery?.state };",
      outputs: 1,
      wires: [["told"]],
    },
    { id: "told", ...debug },
  ];
}

interface Servers {
  s3: S3Server;
  ftp: FtpServer;
}

let servers: Servers;
let nodeRed: NodeRedProcess;

beforeAll(async () => {
  servers = { s3: await startS3Server(), ftp: await startFtpServer() };
  servers.s3.createBucket("reports");
  nodeRed = await startNodeRed({ runtime: await provideRuntime("node-red-4"), flows: flowOf(servers) });
});
afterAll(async () => {
  await nodeRed?.stop();
  await servers?.s3.close();
  await servers?.ftp.close();
});

async function press(button: string): Promise<Told> {
  const before = nodeRed.messages("told").length;
  await nodeRed.inject(button);
  return nodeRed.until(`what comes of ${button}`, () => nodeRed.messages("told")[before] as Told | undefined);
}

interface Told {
  said?: string;
  by?: string;
  state?: string;
}

test("the worst messages get an error that says why, and the next good one is delivered", async () => {
  for (const [at, [to, message, said]] of inputs.entries()) {
    const told = await press(`button-${at}`);
    expect([message, told.by, told.said]).toEqual([message, to, expect.stringMatching(said)]);
    await nodeRed.waitForStatus(to, ({ fill }) => fill === "red");
  }
  for (const to of ["s3", "ftp"])
    expect(await press(`good-${to}`)).toMatchObject({ state: "delivered", said: undefined });
  expect(String(await servers.s3.read("reports", "good"))).toBe("good");
  expect(await readFile(join(servers.ftp.root, "good"), "utf8")).toBe("good");
  const { code } = await nodeRed.stop();
  expect(code).toBe(0);
  expect(nodeRed.output()).not.toMatch(/unhandled|uncaught|unexpected|MaxListeners|^\s+at /im);
});
