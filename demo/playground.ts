import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import { type FtpServer, startFtpServer } from "./servers/ftp";
import { type S3Server, startS3Server } from "./servers/s3";
import { type SmtpServer, startSmtpServer } from "./servers/smtp";

/** The other side of the demo: three servers, a file to send, and what the flows must know of them. */
export interface Playground {
  readonly folder: string;
  readonly s3: S3Server;
  readonly ftp: FtpServer;
  readonly smtp: SmtpServer;
  readonly bucket: string;
  /** The file that the story of one file to two places sends. */
  readonly file: string;
  /** The variables that the example flows ask for, and the certificate that Node-RED must trust. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const host = "localhost";
const portsFile = "ports.json";
const bucket = "demo";
const login = { user: "demo", password: "demo-password" };

/**
 * @param lastingFolder what a demo that was killed has left in it is used again; without it there is a
 *   temporary one, which `close` removes
 */
export async function openPlayground(lastingFolder?: string): Promise<Playground> {
  const folder = lastingFolder ?? (await mkdtemp(join(tmpdir(), "data-distribution-demo-")));
  const opened: { close(): Promise<void> }[] = [];
  const open = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const server = await starting;
    opened.push(server);
    return server;
  };
  const close = async () => {
    await Promise.all(opened.map((server) => server.close()));
    if (!lastingFolder) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const { cert, key } = await createCertificate();
    const certificateFile = join(folder, "certificate.pem");
    await writeFile(certificateFile, cert);
    const file = join(folder, "price-list.csv");
    // Deliveries that wait refuse a file that was written again.
    const isNew = !existsSync(file);
    if (isNew) await writeFile(file, priceList());
    const root = join(folder, "ftp");
    const outbox = join(folder, "outbox");
    const s3Folder = join(folder, "s3");
    for (const path of [root, outbox, s3Folder]) await mkdir(path, { recursive: true });

    const ports = await readPorts(folder);
    const s3 = await open(onPort(ports.s3, (port) => startS3Server({ contents: s3Folder, port })));
    const ftpTls = { cert, key, mode: "explicit" } as const;
    const ftp = await open(
      onPort(ports.ftp, (port) => startFtpServer({ ...login, root, tls: ftpTls, port })),
    );
    const smtp = await open(startSmtpServer({ ...login, tls: { cert, key, mode: "starttls" } }));
    await writeFile(join(folder, portsFile), JSON.stringify({ s3: s3.port, ftp: ftp.port }));
    const env = {
      NODE_EXTRA_CA_CERTS: certificateFile,
      DEMO_FILE: file,
      DEMO_FOLDER: outbox,
      DEMO_S3_ENDPOINT: s3.endpoint,
      DEMO_S3_REGION: "us-east-1",
      DEMO_S3_BUCKET: bucket,
      DEMO_S3_ACCESS_KEY_ID: s3.accessKeyId,
      DEMO_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
      DEMO_FTP_HOST: host,
      DEMO_FTP_PORT: String(ftp.port),
      DEMO_FTP_USER: login.user,
      DEMO_FTP_PASSWORD: login.password,
      DEMO_SMTP_HOST: host,
      DEMO_SMTP_PORT: String(smtp.port),
      DEMO_SMTP_USER: login.user,
      DEMO_SMTP_PASSWORD: login.password,
    };
    if (isNew) ftp.hook = busyOnce();
    return { folder, s3, ftp, smtp, bucket, file, env, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Links and addresses that were told before a kill stay right, as long as nobody else has their ports. */
async function readPorts(folder: string): Promise<{ s3?: number; ftp?: number }> {
  return JSON.parse(await readFile(join(folder, portsFile), "utf8").catch(() => "{}"));
}

function onPort<T>(earlier: number | undefined, start: (port: number) => Promise<T>): Promise<T> {
  if (earlier === undefined) return start(0);
  return start(earlier).catch((error) => {
    if (error.code !== "EADDRINUSE") throw error;
    return start(0);
  });
}

/** The first upload is refused for the moment, as busy servers do: so there is a retry to see. */
function busyOnce(): FtpServer["hook"] {
  let refused = false;
  return (command) => {
    if (refused || command !== "STOR") return undefined;
    refused = true;
    return { reply: "450 The server is busy, try again later" };
  };
}

async function createCertificate(): Promise<{ cert: string; key: string }> {
  const dayMs = 24 * 3600 * 1000;
  const { cert, private: key } = await generate([{ name: "commonName", value: host }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    // Yesterday: Node-RED may compare it with another clock.
    notBeforeDate: new Date(Date.now() - dayMs),
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: host }] },
    ],
  });
  return { cert, key };
}

/** Large enough to go to S3 in several parts: about 9 MB. */
function priceList(): string {
  const lines = Array.from({ length: 400_000 }, (_, n) => `article ${n + 1};${(n * 37) % 10_000};EUR`);
  return `article;price;currency\n${lines.join("\n")}\n`;
}
