import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import type { SmtpCommand, SmtpHook } from "./hook";
import { createMailbox, type Mailbox, readMail } from "./mailbox";

export type { SmtpCommand, SmtpHook, SmtpInjection } from "./hook";
export type { ReceivedMail } from "./mailbox";

export interface SmtpTlsOptions {
  /** PEM. */
  key: string;
  /** PEM, with the intermediate certificates if there are any. */
  cert: string;
  /** `starttls`: RFC 3207. `tls`: from the first byte. */
  mode: "starttls" | "tls";
}

export interface SmtpServerOptions {
  /** Default: a free one. */
  port?: number;
  /** Default: 127.0.0.1. */
  host?: string;
  /** With a password, nobody sends without having logged in. */
  user?: string;
  password?: string;
  tls?: SmtpTlsOptions;
  hook?: SmtpHook;
}

export interface SmtpServer extends Pick<Mailbox, "messages" | "waitFor"> {
  readonly host: string;
  readonly port: number;
  /** How many sessions are open. */
  readonly sessions: number;
  /** May be changed at any time. */
  hook: SmtpHook | undefined;
  /** Cuts every session. */
  close(): Promise<void>;
}

type Answer = (error?: Error | null) => void;

/** A mail server for the demo and the tests (RFC 5321): it keeps what it gets and passes nothing on. */
export async function startSmtpServer(options: SmtpServerOptions = {}): Promise<SmtpServer> {
  const { host = "127.0.0.1", hook } = options;
  const mailbox = createMailbox();
  const closing = new AbortController();

  const cut = ({ id }: SMTPServerSession) => {
    for (const connection of server.connections) if (connection.id === id) connection._socket.destroy();
  };
  const carryOut: CarryOut = async (command, argument, session, answer, work) => {
    const injected = (await state.hook?.(command, argument)) ?? {};
    if (injected.delayMs !== undefined) await sleep(injected.delayMs, undefined, { signal: closing.signal });
    if (injected.drop === "before") return cut(session);
    if (injected.reply !== undefined) {
      answer(replyError(injected.reply));
      if (injected.reply.startsWith("421")) setImmediate(cut, session);
      return;
    }
    const error = work();
    if (injected.drop === "after") cut(session);
    else answer(error);
  };

  const server = new SMTPServer({
    ...settings(options),
    ...handlers(options, mailbox, (...command) => {
      carryOut(...command).catch((error: Error) => {
        // What waits when the server closes is cut off anyway.
        if (!closing.signal.aborted) command[3](error);
      });
    }),
  });
  // What a client does wrong, or cuts off, is that client's affair.
  server.on("error", () => {});
  await listen(server, options.port ?? 0, host);

  const state: SmtpServer = {
    host,
    port: (server.server.address() as AddressInfo).port,
    messages: mailbox.messages,
    waitFor: mailbox.waitFor,
    get sessions() {
      return server.connections.size;
    },
    hook,
    async close() {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of server.connections) connection._socket.destroy();
      await closed;
    },
  };
  return state;
}

/** Does the work of a command unless the hook wants something else. */
type CarryOut = (
  command: SmtpCommand,
  argument: string,
  session: SMTPServerSession,
  answer: Answer,
  work: () => Error | undefined,
) => Promise<void>;

function settings({ tls, password }: SmtpServerOptions): SMTPServerOptions {
  return {
    logger: false,
    disableReverseLookup: true,
    secure: tls?.mode === "tls",
    ...(tls && { key: tls.key, cert: tls.cert }),
    disabledCommands: [
      ...(tls?.mode === "starttls" ? [] : ["STARTTLS"]),
      ...(password === undefined ? ["AUTH"] : []),
    ],
    authOptional: password === undefined,
  };
}

function handlers(
  { user, password }: SmtpServerOptions,
  mailbox: Mailbox,
  start: (...command: Parameters<CarryOut>) => void,
): SMTPServerOptions {
  const nothing = () => undefined;
  return {
    onConnect(session, answer) {
      start("CONNECT", session.remoteAddress, session, answer, nothing);
    },
    onAuth({ username = "", password: given }, session, answer) {
      const told: Answer = (error) => (error ? answer(error) : answer(null, { user: username }));
      const known = username === user && given === password;
      start("AUTH", username, session, told, () =>
        known ? undefined : replyError("535 5.7.8 Authentication credentials invalid"),
      );
    },
    onMailFrom({ address }, session, answer) {
      start("MAIL", address, session, answer, nothing);
    },
    onRcptTo({ address }, session, answer) {
      start("RCPT", address, session, answer, nothing);
    },
    onData(stream, session, answer) {
      readMail(stream, session).then((mail) => {
        start("DATA", mail.messageId ?? "", session, answer, () => {
          mailbox.receive(mail);
          return undefined;
        });
      }, answer);
    },
  };
}

async function listen(server: SMTPServer, port: number, host: string): Promise<void> {
  const listening = once(server.server, "listening");
  const failed = once(server.server, "error").then(([error]) => Promise.reject(error));
  server.listen(port, host);
  await Promise.race([listening, failed]);
}

/** `450 4.7.1 Greylisted` as the error that smtp-server makes this answer of. */
function replyError(reply: string): Error {
  return Object.assign(new Error(reply.slice(4)), { responseCode: Number(reply.slice(0, 3)) });
}
