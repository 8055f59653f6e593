import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type S3Server, startS3Server } from "../../demo/servers/s3";
import registerConnection from "../../src/nodes/s3-connection/s3-connection";
import registerWriter from "../../src/nodes/s3-writer/s3-writer";

/** It brings no types; these are the parts used here. */
interface TestHelper {
  init(runtime: string): void;
  startServer(done: () => void): void;
  stopServer(done: () => void): void;
  load(registers: unknown[], flow: object[], credentials: object): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): {
    receive(msg: object): void;
    on(event: "input", listener: (msg: Record<string, unknown>) => void): void;
  };
}

const helper: TestHelper = require("node-red-node-test-helper");
let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
  server.createBucket("reports");
  helper.init(require.resolve("node-red"));
  await new Promise<void>((resolve) => helper.startServer(resolve));
});

afterEach(() => helper.unload());

afterAll(async () => {
  await new Promise<void>((resolve) => helper.stopServer(resolve));
  await server.close();
});

/** Sends one message through an S3 writer and gives what came out of its two outputs first. */
async function deliver(contentType: string): Promise<Record<string, unknown>> {
  const flow = [
    {
      id: "connection",
      type: "delivery-s3-connection",
      endpoint: server.endpoint,
      pathStyle: true,
    },
    {
      id: "writer",
      type: "delivery-s3-writer",
      connection: "connection",
      bucket: "reports",
      key: "a.dat",
      contentType,
      wires: [["end"], ["end"]],
    },
    { id: "end", type: "helper" },
  ];
  const { accessKeyId, secretAccessKey } = server;
  const keys = { connection: { accessKeyId, secretAccessKey } };
  await helper.load([registerConnection, registerWriter], flow, keys);
  const ended = new Promise<Record<string, unknown>>((resolve) => helper.getNode("end").on("input", resolve));
  helper.getNode("writer").receive({ payload: "x", metadata: { type: "text/csv" } });
  return ended;
}

describe("the content type of an S3 writer", () => {
  test.each([
    ["text/plain; charset=utf-8", "text/plain; charset=utf-8"],
    ["{{metadata.type}}", "text/csv"],
    ["", "application/octet-stream"],
  ])("%j is stored as %s", async (template, stored) => {
    expect(await deliver(template)).toMatchObject({ delivery: { state: "delivered" } });
    expect(server.buckets.get("reports")?.objects.get("a.dat")?.settings.contentType).toBe(stored);
  });

  test("one that is none is refused before anything is sent", async () => {
    expect(await deliver("csv")).toMatchObject({
      error: { kind: "invalid", message: expect.stringContaining("contentType must be a media type") },
    });
  });
});
