import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { afterEach, expect, test } from "vitest";
import { failureOf, mailerFor, password } from "./mail-harness";

const servers: { close(): void }[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Greets, then answers the commands by their first word, whatever they are; an empty answer hangs up. */
async function startScript(answers: Readonly<Record<string, string>>) {
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.write("220 script ESMTP\r\n");
    let inMail = false;
    createInterface(socket).on("line", (line) => {
      if (inMail && line !== ".") return;
      const [word = ""] = line.split(" ");
      inMail = word === "DATA";
      commands.push(word);
      const answer = answers[word] ?? "250 OK";
      if (answer === "") socket.destroy();
      else socket.write(`${answer}\r\n`);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push({
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return { port: (server.address() as AddressInfo).port, commands };
}

// What smtp-server never says.
test.each([
  ["STARTTLS put off", { EHLO: "250 STARTTLS", STARTTLS: "454 4.7.0 TLS not available" }, "unavailable"],
  ["STARTTLS refused", { EHLO: "250 STARTTLS", STARTTLS: "501 5.5.4 No" }, "invalid"],
  ["STARTTLS not known", { STARTTLS: "502 5.5.1 Not implemented" }, "invalid"],
  ["EHLO not known", { EHLO: "502 5.5.1 Not implemented" }, "invalid"],
  ["EHLO put off", { EHLO: "421 4.3.2 Busy" }, "unavailable"],
  ["a connection lost at STARTTLS", { EHLO: "250 STARTTLS", STARTTLS: "" }, "unavailable"],
  ["nonsense after STARTTLS", { EHLO: "250 STARTTLS", STARTTLS: "220 Go\r\n250 not TLS at all" }, "invalid"],
] as const)("%s: nothing is sent", async (_title, answers, kind) => {
  const { port, commands } = await startScript(answers);
  const settings = { security: "starttls", user: "ann", password };
  const error = await failureOf(mailerFor({ port }, settings).send());
  expect(error.kind).toBe(kind);
  expect(commands.filter((command) => /AUTH|MAIL|DATA/.test(command))).toEqual([]);
});

test.each([
  ["535 5.7.8 Wrong", "denied"],
  ["534 5.7.9 Use an application password", "denied"],
  ["454 4.7.0 Try later", "unavailable"],
  ["421 4.3.2 Closing", "unavailable"],
  ["504 5.5.4 Mechanism not known", "invalid"],
  ["502 5.5.1 Not implemented", "invalid"],
] as const)("the login answered by %s", async (answer, kind) => {
  const { port, commands } = await startScript({ EHLO: "250 AUTH PLAIN", AUTH: answer });
  const error = await failureOf(mailerFor({ port }, { user: "ann", password }).send());
  expect(error).toMatchObject({ kind, code: answer.slice(0, 3) });
  expect(commands).toEqual(["EHLO", "AUTH"]);
});

test("a server that offers no extensions at all", async () => {
  const { port, commands } = await startScript({ EHLO: "502 5.5.1 Not implemented", DATA: "354 Go" });
  await mailerFor({ port }).send();
  expect(commands).toEqual(["EHLO", "HELO", "MAIL", "RCPT", "DATA", "."]);
});
