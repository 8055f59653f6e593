import { connect } from "node:net";
import { buffer } from "node:stream/consumers";

/**
 * Logs in, and reads all mails of the inbox, the oldest first, as they are stored (RFC 9051).
 * @throws Error when the server refuses a command
 */
export async function readInbox(port: number, user: string, password: string): Promise<Buffer[]> {
  const socket = connect(port, "127.0.0.1");
  socket.setTimeout(60_000, () => socket.destroy(new Error("The IMAP server is silent.")));
  const commands = [`LOGIN ${user} ${password}`, "SELECT INBOX", "UID FETCH 1:* (BODY.PEEK[])", "LOGOUT"];
  socket.write(commands.map((command, n) => `${n} ${command}\r\n`).join(""));
  const { mails, rest } = takeMails(await buffer(socket));
  for (const n of commands.keys()) {
    if (!new RegExp(`^${n} OK `, "m").test(rest)) throw new Error(`The IMAP server answered: ${rest}`);
  }
  return mails;
}

/** Mails come as literals: their length, and then as many bytes of anything. */
function takeMails(answers: Buffer): { mails: Buffer[]; rest: string } {
  const mails: Buffer[] = [];
  const rest: string[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = answers.indexOf("\r\n", at);
    if (lineEnd === -1) return { mails, rest: rest.join("\n") };
    const line = answers.toString("utf8", at, lineEnd);
    at = lineEnd + 2;
    const bytes = /^\* \d+ FETCH .*\{(\d+)\}$/.exec(line)?.[1];
    if (bytes === undefined) {
      rest.push(line);
      continue;
    }
    mails.push(answers.subarray(at, at + Number(bytes)));
    at += Number(bytes);
  }
}
