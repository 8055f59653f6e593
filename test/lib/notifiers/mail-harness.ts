import { afterEach } from "vitest";
import { type SmtpServer, type SmtpServerOptions, startSmtpServer } from "../../../demo/servers/smtp";
import {
  createMailNotifier,
  createSmtpConnection,
  DeliveryError,
  type Notification,
  type NotificationReceipt,
  readSmtpConnectionOptions,
  type SettledRecipients,
  type SmtpConnection,
} from "../../../src/lib";
import { type CertificatePair, createAuthority, type TestAuthority } from "../../support/certificates";

export const password = "canary-7Zq!x";
export const from = "Deliveries <deliveries@sender.test>";

export interface Mailer {
  connection: SmtpConnection;
  send(
    notification?: Partial<Notification>,
    controller?: AbortController,
    settled?: SettledRecipients,
  ): Promise<NotificationReceipt>;
}

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server that ends with the test. */
export async function startServer(options?: SmtpServerOptions): Promise<SmtpServer> {
  const server = await startSmtpServer(options);
  cleanups.push(() => server.close());
  return server;
}

/** A notifier for the server, over a connection that ends with the test. */
export function mailerFor({ port }: { port: number }, options: object = {}): Mailer {
  const settings = { host: "127.0.0.1", port, security: "none", from, connectTimeoutMs: 5000, ...options };
  const connection = createSmtpConnection(readSmtpConnectionOptions(settings));
  cleanups.push(() => connection.close());
  const notifier = createMailNotifier(connection);
  return {
    connection,
    send: (notification, { signal } = new AbortController(), settled) =>
      notifier.notify({ ...example, ...notification }, { signal, onProgress() {}, acceptedAt, settled }),
  };
}

/** 2026-11-24T03:00:00Z */
export const acceptedAt = 1_795_489_200_000;

const example: Notification = {
  id: "node-1:delivery-1:delivered",
  subject: "Delivered: report.csv",
  text: "It arrived.\n",
  recipients: ["ann@example.test"],
  level: "info",
};

/** @throws Error unless the work fails with a `DeliveryError` */
export async function failureOf(work: Promise<unknown>): Promise<DeliveryError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof DeliveryError) return error;
  throw new Error("It should have failed with a DeliveryError.", { cause: error });
}

export async function certificates(hosts?: readonly string[]): Promise<TestAuthority & CertificatePair> {
  const authority = await createAuthority();
  return { ...authority, ...(await authority.issue(hosts ? { hosts } : {})) };
}
