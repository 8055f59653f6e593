import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startServer } from "./mail-harness";

const library = join(__dirname, "../../../src/lib");

/** A program that sends one mail, and then has nothing more to do. */
const program = (port: number, close: boolean) => `
  const { createMailNotifier, createSmtpConnection, readSmtpConnectionOptions } = require(${JSON.stringify(library)});
  const settings = { host: "127.0.0.1", port: ${port}, security: "none", from: "a@b.test" };
  const connection = createSmtpConnection(readSmtpConnectionOptions(settings));
  const notification = { id: "1", subject: "s", text: "t", recipients: ["c@d.test"], level: "info" };
  createMailNotifier(connection)
    .notify(notification, { signal: new AbortController().signal, onProgress() {} })
    .then(() => {
      console.log("sent");
      ${close ? "connection.close();" : ""}
      const sent = performance.now();
      process.on("exit", () => console.log(performance.now() - sent));
    });
`;

test("a process ends once its connection is closed", { timeout: 40_000 }, async () => {
  const server = await startServer();
  const { stdout } = await run(program(server.port, true));
  const [sent, lingeredMs] = stdout.split("\n");
  expect(sent).toBe("sent");
  expect(Number(lingeredMs)).toBeLessThan(2000);
  expect(server.messages).toHaveLength(1);
});

test("a forgotten connection keeps its process for seconds only", { timeout: 40_000 }, async () => {
  const server = await startServer();
  const { stdout } = await run(program(server.port, false));
  expect(Number(stdout.split("\n")[1])).toBeLessThan(15_000);
});

function run(code: string) {
  return promisify(execFile)(process.execPath, ["--import", "tsx", "--eval", code], { timeout: 30_000 });
}
