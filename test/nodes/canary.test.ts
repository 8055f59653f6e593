import { inspect } from "node:util";
import { afterEach, beforeAll, expect, test } from "vitest";
import { startFtpServer } from "../../demo/servers/ftp";
import { startS3Server } from "../../demo/servers/s3";
import { startSmtpServer } from "../../demo/servers/smtp";
import { type FlowNode, type Message, useRuntime } from "./support/runtime";
import {
  bucket,
  ends,
  ftpConnection,
  ftpWriter,
  notify,
  retry,
  type Servers,
  s3Connection,
  s3Writer,
  smtpConnection,
} from "./support/servers";

const runtime = useRuntime();
const servers = {} as Servers;

/** What nobody may ever see. They are right for the servers of this file, or wrong, by the letter. */
const right = { s3: "canary-s3-Right/1+", ftp: "canary-ftp-Right%1", smtp: "canary-smtp-Right:1" };
const wrong = { s3: "canary-s3-Wrong/2+", ftp: "canary-ftp-Wrong%2", smtp: "canary-smtp-Wrong:2" };
const token = "canary-token-3";

beforeAll(async () => {
  servers.s3 = await startS3Server({ accessKeyId: "AKIDCANARY", secretAccessKey: right.s3 });
  servers.s3.createBucket(bucket);
  servers.ftp = await startFtpServer({ user: "partner", password: right.ftp });
  servers.smtp = await startSmtpServer({ user: "mailer", password: right.smtp });
  return () => Promise.all([servers.s3.close(), servers.ftp.close(), servers.smtp.close()]);
});

afterEach(() => {
  servers.ftp.hook = undefined;
  servers.smtp.hook = undefined;
});

const credentials = (suffix: "" | "2", { s3, ftp, smtp }: typeof right) => ({
  [`s3${suffix}`]: { accessKeyId: "AKIDCANARY", secretAccessKey: s3 },
  [`ftp${suffix}`]: { user: "partner", password: ftp },
  [`smtp${suffix}`]: { user: suffix ? "stranger" : "mailer", password: smtp },
});

const broken = ["s3-token", "s3-line", "ftp-line", "smtp-line", "smtp-alone"];
const brokenCredentials = {
  "s3-token": { accessKeyId: "AKIDCANARY", secretAccessKey: wrong.s3, sessionToken: token },
  "s3-line": { accessKeyId: "AKIDCANARY", secretAccessKey: `${right.s3}\n` },
  "ftp-line": { user: "partner", password: `${right.ftp}\r\n` },
  "smtp-line": { user: "mailer", password: `${right.smtp}\n` },
  "smtp-alone": { password: right.smtp },
};

/** Every way that news can take: delivered and told, failed and wired, caught, tried again, told by mail. */
function flow(): FlowNode[] {
  const users = ["s3", "ftp", "s32", "ftp2", "s3-token", "s3-line", "ftp-line"];
  const writerFor = (connection: string) => {
    const make = connection.startsWith("s3") ? s3Writer : ftpWriter;
    const link = make === s3Writer && connection !== "s3-token" && { link: true };
    return [
      make({
        ...link,
        id: `wired-${connection}`,
        connection,
        wires: [
          ["end", "notify"],
          ["end", "retry", "notify"],
        ],
      }),
      make({ ...link, id: `caught-${connection}`, connection, wires: [["end"], []] }),
    ];
  };
  const notifiers = ["smtp", "smtp2", "smtp-line", "smtp-alone", ""].flatMap((connection) => [
    notify({ id: `told-${connection}`, connection, wires: [["end"], ["end", "retry"]] }),
    notify({ id: `untold-${connection}`, connection, wires: [["end"], []] }),
  ]);
  return [
    s3Connection(servers),
    ftpConnection(servers),
    smtpConnection(servers),
    { ...s3Connection(servers), id: "s32" },
    { ...ftpConnection(servers), id: "ftp2" },
    { ...smtpConnection(servers), id: "smtp2" },
    ...broken.map((id) => {
      const make = id.startsWith("s3") ? s3Connection : id.startsWith("ftp") ? ftpConnection : smtpConnection;
      return { ...make(servers), id };
    }),
    ...users.flatMap(writerFor),
    ...notifiers,
    notify({ wires: [["end"], ["end"]] }),
    retry({
      preset: "custom",
      attempts: 2,
      firstDelaySeconds: 0.05,
      kinds: ["denied", "unavailable"],
      wires: [["end"], ["end", "notify"]],
    }),
    { id: "catch", type: "catch", scope: null, uncaught: false, wires: [["end", "notify"]] },
    { id: "status", type: "status", scope: null, wires: [["end"]] },
    ...ends("end"),
  ];
}

/** Everything that can be seen of a value, by the most curious. */
function everythingOf(value: unknown): string {
  const seen = inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxStringLength: null,
    maxArrayLength: null,
    getters: true,
  });
  return `${seen}\n${JSON.stringify(value)}`;
}

test("a password is seen nowhere: not in messages, statuses, the log or mails", async () => {
  // Some servers say what they were given.
  servers.ftp.hook = (command, argument) =>
    command === "PASS" && argument !== right.ftp
      ? { reply: `530 The password ${argument} is wrong` }
      : undefined;
  servers.smtp.hook = (command, user) =>
    command === "AUTH" && user === "stranger"
      ? { reply: `535 The password ${wrong.smtp} is wrong` }
      : undefined;
  const nodes = flow();
  await runtime.load(nodes, { ...credentials("", right), ...credentials("2", wrong), ...brokenCredentials });
  const senders = nodes.filter(({ id }) => /^(wired|caught|told|untold)-/.test(id));
  for (const { id } of senders) {
    runtime.send(id, {
      payload: "harmless",
      delivery: { id: `of-${id}`, state: "delivered", location: "x" },
    });
  }
  const news = () =>
    runtime.received("end").filter(({ delivery, notification, error }) => delivery || notification || error);
  const told = () => {
    const about = ({ delivery, notification, error }: Message) => [
      delivery?.writer?.id,
      notification?.writer?.id,
      error?.source?.id,
    ];
    return new Set(news().flatMap(about));
  };
  const silent = () => senders.map(({ id }) => id).filter((id) => !told().has(id));
  await expect.poll(silent, { timeout: 20_000 }).toEqual([]);
  const gaveUp = () => news().some(({ delivery }) => delivery?.state === "gave-up");
  await expect.poll(gaveUp, { timeout: 20_000 }).toBe(true);
  await servers.smtp.waitFor(({ subject = "" }) => subject.startsWith("Not delivered: ftp"), 20_000);

  const states = news().map(({ delivery, error }) => `${delivery?.state} ${error?.source?.id ?? ""}`);
  expect(states).toContain("delivered ");
  expect(states).toContain("failed wired-ftp2");
  expect(states).toContain("failed caught-s32");

  for (const id of ["wired-ftp2", "told-smtp2"]) {
    const echoed = news().find(({ error }) => error?.source?.id === id)?.error.message;
    expect(echoed).toMatch(/530 The password .* is wrong|535 The password .* is wrong/);
  }

  const places = {
    messages: everythingOf(runtime.received("end").map(({ req, res, ...msg }) => msg)),
    statuses: nodes.map(({ id }) => everythingOf(runtime.statuses(id))).join("\n"),
    log: everythingOf(runtime.logged().filter(({ msg }) => msg !== undefined)),
    mails: servers.smtp.messages.map(({ raw, text, subject }) => `${raw}\n${text}\n${subject}`).join("\n"),
  };
  for (const [place, content] of Object.entries(places)) {
    expect(content.length, place).toBeGreaterThan(500);
    for (const canary of [...Object.values(right), ...Object.values(wrong), token]) {
      for (const form of [canary, encodeURIComponent(canary), Buffer.from(canary).toString("base64")]) {
        expect(content.includes(form), `${form} in the ${place}: ${around(content, form)}`).toBe(false);
      }
    }
  }
});

function around(content: string, form: string): string {
  const at = content.indexOf(form);
  return at < 0 ? "" : content.slice(Math.max(0, at - 300), at + 300);
}
