import { createHash } from "node:crypto";
import { DeliveryError } from "../../errors";
import type { Notification, NotificationReceipt, Notifier } from "../../types";
import type { SmtpConnection, SmtpRefusal } from "./connection";
import { type Mailbox, parseSingleMailbox } from "./recipients";

export { createSmtpConnection, type SmtpConnection } from "./connection";
export { readSmtpConnectionOptions, type SmtpConnectionOptions } from "./options";
export { type Mailbox, parseRecipients } from "./recipients";

/** What earlier attempts of one notification have settled. */
interface Progress {
  told: Set<string>;
  /** For good. */
  refused: Map<string, SmtpRefusal>;
}

/** Attempts that were never repeated must not fill the memory. */
const maxUnfinished = 1000;

/**
 * Sends mails over a connection that belongs to the caller. Recipients who are refused for good become
 * notes of the receipt; when some are put off, the attempt fails as `unavailable`, and its repeat, with the
 * same Message-ID, goes only to those who have not got the mail yet.
 */
export function createMailNotifier(connection: SmtpConnection): Notifier {
  const unfinished = new Map<string, Progress>();

  const remember = (messageId: string, progress: Progress) => {
    // Anew, so that the oldest stays the first.
    unfinished.delete(messageId);
    unfinished.set(messageId, progress);
    const [oldest] = unfinished.keys();
    if (unfinished.size > maxUnfinished && oldest !== undefined) unfinished.delete(oldest);
  };

  return {
    type: "mail",
    async notify(notification, { signal }) {
      const to = readRecipients(notification);
      const messageId = messageIdOf(notification.id, connection.from);
      const progress = unfinished.get(messageId) ?? { told: new Set(), refused: new Map() };
      const recipients = to
        .map(({ address }) => address)
        .filter((address) => !progress.told.has(address) && !progress.refused.has(address));
      if (recipients.length === 0) return receiptOf(messageId, progress, connection);
      const { text } = notification;
      const mail = { messageId, subject: onOneLine(notification.subject), text, to, recipients };
      const result = await connection.send(mail, signal);
      for (const address of result.accepted) progress.told.add(address);
      for (const refusal of result.refused) {
        if (refusal.permanent) progress.refused.set(refusal.address, refusal);
      }
      const putOff = result.refused.filter(({ permanent }) => !permanent);
      if (putOff.length > 0) {
        remember(messageId, progress);
        throw laterError(putOff, progress, connection);
      }
      unfinished.delete(messageId);
      return receiptOf(messageId, progress, connection);
    },
    async close() {
      unfinished.clear();
    },
  };
}

function readRecipients({ recipients }: Notification): Mailbox[] {
  if (recipients.length === 0) {
    throw new DeliveryError("invalid", "There is no recipient. Name at least one e-mail address.");
  }
  const mailboxes = recipients.map(parseSingleMailbox);
  return [...new Map(mailboxes.map((mailbox) => [mailbox.address, mailbox])).values()];
}

/** The same for every attempt of a notification (RFC 5322 §3.6.4), so that a repeat can be recognised. */
function messageIdOf(notificationId: string, from: Mailbox): string {
  const digest = createHash("sha256").update(notificationId).digest("hex").slice(0, 40);
  return `<${digest}@${from.address.slice(from.address.lastIndexOf("@") + 1)}>`;
}

function onOneLine(subject: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would begin another header
  return subject.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
}

function laterError(putOff: readonly SmtpRefusal[], { told }: Progress, { description }: SmtpConnection) {
  const [first] = putOff;
  const addresses = putOff.map(({ address }) => address).join(", ");
  const others = told.size > 0 ? " The others have the mail; the next try goes only to these." : "";
  return new DeliveryError(
    "unavailable",
    `For now, ${description} does not take the mail for ${addresses}: ${first?.reply} It may work later.${others}`,
    { code: String(first?.code) },
  );
}

/** @throws DeliveryError `rejected` when nobody was told */
function receiptOf(
  messageId: string,
  { told, refused }: Progress,
  { description }: SmtpConnection,
): NotificationReceipt {
  const refusals = [...refused.values()];
  const [first] = refusals;
  if (told.size === 0 && first) {
    const addresses = refusals.map(({ address }) => address).join(", ");
    // RFC 4954 §6: a server may ask for the login as late as here.
    const login = first.code === 530;
    const advice = login ? "Log in with a user name and a password." : "Check the addresses, and the login.";
    throw new DeliveryError(
      login ? "denied" : "rejected",
      `No mail went out, because ${description} refused ${addresses}: ${first.reply} ${advice}`,
      { code: String(first.code) },
    );
  }
  return {
    location: [...told].join(", "),
    messageId,
    notes: refusals.map(({ address, reply }) => `${address} did not get the mail: ${reply}`),
  };
}
