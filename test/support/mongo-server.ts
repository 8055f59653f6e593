// A server that speaks MongoDB's protocol, as far as the store speaks it: no MongoDB can be had where these
// tests run. It shows that the store says what it means to the real client; what a real server makes of
// that, it cannot show.
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { BSON, type Document } from "mongodb";
import { CommandError, createDocuments, type Documents } from "./mongo-documents";
import { createLogin } from "./mongo-login";

/** `lose`: does it, and cuts the connection before the answer. `cut`: before doing it. `stall`: never answers. */
export type Mishap = "lose" | "cut" | "stall" | { code: number; codeName: string; message: string };

export interface MongoServer {
  readonly port: number;
  /** Asked before each command that is about documents; whatever it gives goes wrong. */
  hook: ((name: string, command: Document) => Mishap | undefined) | undefined;
  /** How far its clock is ahead of this machine's. */
  clockSkewMs: number;
  collection(database: string, name: string): Documents;
  stop(): Promise<void>;
}

export interface MongoServerSettings {
  user?: string;
  password?: string;
  tls?: { key: string; cert: string };
  /** A single server, whose clients cannot have it do a write again. */
  standalone?: boolean;
}

const opcodes = { reply: 1, query: 2004, message: 2013 };

export async function startMongoServer(settings: MongoServerSettings = {}): Promise<MongoServer> {
  const collections = new Map<string, Documents>();
  /** By session and transaction number: a write that is done again has the answer of the first time. */
  const answered = new Map<string, Document>();
  const sockets = new Set<Socket>();

  const self: MongoServer = {
    port: 0,
    hook: undefined,
    clockSkewMs: 0,
    collection(database, name) {
      const key = `${database}.${name}`;
      const found = collections.get(key) ?? createDocuments();
      collections.set(key, found);
      return found;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };

  const handleOnce = (name: string, command: Document): Document => {
    const transaction = command.txnNumber === undefined ? undefined : `${command.txnNumber}`;
    const key = transaction && `${command.lsid.id.toString("hex")} ${transaction}`;
    const before = key && answered.get(key);
    if (before) return before;
    const answer = handle(self, name, command);
    if (key) answered.set(key, answer);
    return answer;
  };

  const converse = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
    const login = createLogin(settings.user ?? "", settings.password ?? "");
    const answer = (command: Document): Document | undefined => {
      const [name = ""] = Object.keys(command);
      if (/^(hello|ismaster)$/i.test(name)) return hello(self, command, settings);
      if (name === "saslStart") return login.start(Buffer.from(command.payload.buffer).toString());
      if (name === "saslContinue") return login.go(Buffer.from(command.payload.buffer).toString());
      if (name === "endSessions" || name === "ping") return { ok: 1 };
      if (!login.isDone()) throw new CommandError(13, "Unauthorized", "command requires authentication");
      const mishap = self.hook?.(name, command);
      if (mishap === "stall") return undefined;
      if (mishap === "cut") return void socket.destroy();
      if (typeof mishap === "object") throw new CommandError(mishap.code, mishap.codeName, mishap.message);
      const answer = handleOnce(name, command);
      return mishap === "lose" ? void socket.destroy() : answer;
    };
    let buffered = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 16 && buffered.length >= buffered.readInt32LE(0)) {
        const message = buffered.subarray(0, buffered.readInt32LE(0));
        buffered = buffered.subarray(message.length);
        const reply = answerOf(() => answer(readCommand(message)));
        if (reply) socket.write(writeReply(reply, message));
      }
    });
  };

  const server: Server = settings.tls ? createTlsServer(settings.tls, converse) : createServer(converse);
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(self, { port: (server.address() as AddressInfo).port });
}

function answerOf(work: () => Document | undefined): Document | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const { code, codeName, message, more } = error;
    return { ok: 0, code, codeName, errmsg: message, ...more };
  }
}

function hello(
  { port, clockSkewMs }: MongoServer,
  command: Document,
  settings: MongoServerSettings,
): Document {
  const me = `127.0.0.1:${port}`;
  return {
    ...{
      ok: 1,
      helloOk: true,
      isWritablePrimary: true,
      ismaster: true,
      minWireVersion: 0,
      maxWireVersion: 21,
    },
    ...{ maxBsonObjectSize: 16_777_216, maxMessageSizeBytes: 48_000_000, maxWriteBatchSize: 100_000 },
    ...{ localTime: new Date(Date.now() + clockSkewMs), logicalSessionTimeoutMinutes: 30 },
    ...(!settings.standalone && { setName: "rs0", hosts: [me], me, primary: me, setVersion: 1 }),
    ...(command.saslSupportedMechs && { saslSupportedMechs: ["SCRAM-SHA-256"] }),
  };
}

/** https://www.mongodb.com/docs/manual/reference/command/ */
function handle(server: MongoServer, name: string, command: Document): Document {
  const documents = server.collection(command.$db, command[name]);
  const cursor = (firstBatch: Document[]) => ({
    ok: 1,
    cursor: { id: BSON.Long.fromNumber(0), ns: `${command.$db}.${command[name]}`, firstBatch },
  });
  switch (name) {
    case "insert":
      return written(() => {
        for (const document of command.documents) documents.insert(document);
        return { n: command.documents.length };
      });
    case "update":
      return written(() => {
        const [{ q, u, upsert = false, multi = false }] = command.updates;
        const each = multi ? documents.find(q).map(({ _id }) => ({ _id })) : [q];
        const found = each.reduce((sum, one) => sum + documents.update(one, u, upsert).found, 0);
        return { n: upsert ? 1 : found, nModified: found };
      });
    case "delete":
      return written(() => ({ n: documents.remove(command.deletes[0].q) }));
    case "findAndModify":
      return {
        ok: 1,
        value: documents.update(command.query, command.update, command.upsert).document ?? null,
      };
    case "find": {
      const { filter = {}, sort, skip = 0, limit = 0 } = command;
      const found = documents.find(filter, sort);
      return cursor(found.slice(skip, limit === 0 ? undefined : skip + limit));
    }
    case "aggregate": {
      const [{ $match }] = command.pipeline;
      return cursor([...documents.count($match)].map(([_id, number]) => ({ _id, number })));
    }
    case "createIndexes":
      for (const index of command.indexes) documents.createIndex(index);
      return { ok: 1 };
    default:
      throw new CommandError(59, "CommandNotFound", `no such command: '${name}'`);
  }
}

/** What goes wrong with a document is told beside an `ok`. */
function written(write: () => Document): Document {
  try {
    return { ok: 1, ...write() };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const { code, message, more } = error;
    return { ok: 1, n: 0, writeErrors: [{ index: 0, code, errmsg: message, ...more }] };
  }
}

/** https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
function readCommand(message: Buffer): Document {
  if (message.readInt32LE(12) === opcodes.query) {
    const end = message.indexOf(0, 20);
    return BSON.deserialize(message.subarray(end + 9));
  }
  let command: Document = {};
  for (let at = 20; at < message.length; ) {
    const kind = message[at++];
    const size = message.readInt32LE(at);
    const section = message.subarray(at, at + size);
    at += size;
    if (kind === 0) {
      command = { ...BSON.deserialize(section), ...command };
      continue;
    }
    const end = section.indexOf(0, 4);
    const sequence: Document[] = [];
    for (let from = end + 1; from < section.length; from += section.readInt32LE(from)) {
      sequence.push(BSON.deserialize(section.subarray(from, from + section.readInt32LE(from))));
    }
    command[section.subarray(4, end).toString()] = sequence;
  }
  return command;
}

function writeReply(reply: Document, request: Buffer): Buffer {
  const body = BSON.serialize(reply);
  const isQuery = request.readInt32LE(12) === opcodes.query;
  const head = Buffer.alloc(isQuery ? 36 : 21);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(request.readInt32LE(4), 8);
  head.writeInt32LE(isQuery ? opcodes.reply : opcodes.message, 12);
  if (isQuery) head.writeInt32LE(1, 32);
  return Buffer.concat([head, body]);
}
