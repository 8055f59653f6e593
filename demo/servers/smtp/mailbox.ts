import { buffer } from "node:stream/consumers";
import { type ParsedMail, simpleParser } from "mailparser";
import type { SMTPServerSession } from "smtp-server";

export interface ReceivedMail extends ParsedMail {
  /** Who sent it and who got it, which the headers need not say. */
  readonly envelope: { from: string; to: string[] };
  /** Whether it came over TLS. */
  readonly secure: boolean;
  /** Who had logged in. */
  readonly user: string | undefined;
  /** As it came. */
  readonly raw: Buffer;
}

export interface Mailbox {
  /** In the order in which they came. */
  readonly messages: readonly ReceivedMail[];
  receive(mail: ReceivedMail): void;
  /**
   * The first mail, of those here and those to come, that the predicate takes.
   * @throws Error when none came in time
   */
  waitFor(predicate: (mail: ReceivedMail) => boolean, timeoutMs: number): Promise<ReceivedMail>;
}

export function createMailbox(): Mailbox {
  const messages: ReceivedMail[] = [];
  const arrivals = new Set<(mail: ReceivedMail) => void>();
  return {
    messages,
    receive(mail) {
      messages.push(mail);
      for (const arrival of arrivals) arrival(mail);
    },
    async waitFor(predicate, timeoutMs) {
      const found = messages.find(predicate);
      if (found) return found;
      return new Promise((resolve, reject) => {
        const stop = () => {
          clearTimeout(timer);
          arrivals.delete(arrival);
        };
        const arrival = (mail: ReceivedMail) => {
          if (!predicate(mail)) return;
          stop();
          resolve(mail);
        };
        const timer = setTimeout(() => {
          stop();
          reject(new Error(`The expected mail did not come within ${timeoutMs} ms.`));
        }, timeoutMs);
        arrivals.add(arrival);
      });
    },
  };
}

export async function readMail(
  stream: NodeJS.ReadableStream,
  session: SMTPServerSession,
): Promise<ReceivedMail> {
  const raw = await buffer(stream);
  const { mailFrom, rcptTo } = session.envelope;
  return Object.assign(await simpleParser(raw), {
    envelope: { from: mailFrom ? mailFrom.address : "", to: rcptTo.map(({ address }) => address) },
    secure: session.secure,
    user: session.user as string | undefined,
    raw,
  });
}
