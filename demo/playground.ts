import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
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
const bucket = "demo";
const login = { user: "demo", password: "demo-password" };

export async function openPlayground(): Promise<Playground> {
  const folder = await mkdtemp(join(tmpdir(), "data-distribution-demo-"));
  const opened: { close(): Promise<void> }[] = [];
  const open = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const server = await starting;
    opened.push(server);
    return server;
  };
  const close = async () => {
    await Promise.all(opened.map((server) => server.close()));
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const { cert, key } = await createCertificate();
    const certificateFile = join(folder, "certificate.pem");
    await writeFile(certificateFile, cert);
    const file = join(folder, "price-list.csv");
    await writeFile(file, priceList());
    const root = join(folder, "ftp");
    await mkdir(root);
    const outbox = join(folder, "outbox");
    await mkdir(outbox);

    const s3 = await open(startS3Server({ folder }));
    const ftp = await open(startFtpServer({ ...login, root, tls: { cert, key, mode: "explicit" } }));
    const smtp = await open(startSmtpServer({ ...login, tls: { cert, key, mode: "starttls" } }));
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
    ftp.hook = busyOnce();
    return { folder, s3, ftp, smtp, bucket, file, env, close };
  } catch (error) {
    await close();
    throw error;
  }
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
