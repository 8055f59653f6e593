import { createHash } from "node:crypto";
import { DeliveryError, type RefusedRecipient, type SettledRecipients } from "../../errors";
import type { Notification, NotificationReceipt, Notifier } from "../../types";
import type { SmtpConnection } from "./connection";
import { type Mailbox, parseSingleMailbox } from "./recipients";

export { createSmtpConnection, type SmtpConnection } from "./connection";
export { readSmtpConnectionOptions, type SmtpConnectionOptions } from "./options";
export { type Mailbox, parseRecipients } from "./recipients";

const nobody: SettledRecipients = { told: [], refused: [] };

/**
 * Sends mails over a connection that belongs to the caller. Recipients who are refused for good become
 * notes of the receipt; when some are put off, the attempt fails as `unavailable`, and its repeat, which is
 * the same mail byte for byte, goes only to those who have not got it yet.
 */
export function createMailNotifier(connection: SmtpConnection): Notifier {
  return {
    type: "mail",
    async notify(notification, { signal, acceptedAt, settled = nobody }) {
      const to = readRecipients(notification);
      const messageId = messageIdOf(notification.id, connection.from);
      const open = to.map(({ address }) => address).filter((address) => !isSettled(address, settled));
      if (open.length === 0) return receiptOf(messageId, settled, connection);
      const { text } = notification;
      const subject = onOneLine(notification.subject);
      const mail = { messageId, subject, text, to, recipients: open, date: new Date(acceptedAt) };
      const { accepted, refused } = await connection.send(mail, signal);
      const recipients = {
        told: [...settled.told, ...accepted],
        refused: [...settled.refused, ...refused.filter(({ permanent }) => permanent).map(toKeep)],
      };
      const putOff = refused.filter(({ permanent }) => !permanent);
      if (putOff.length > 0) throw laterError(putOff, recipients, connection);
      return receiptOf(messageId, recipients, connection);
    },
    async close() {},
  };
}

function isSettled(address: string, { told, refused }: SettledRecipients): boolean {
  return told.includes(address) || refused.some((refusal) => refusal.address === address);
}

function toKeep({ address, reply, code }: RefusedRecipient): RefusedRecipient {
  return { address, reply, code };
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

function laterError(
  putOff: readonly RefusedRecipient[],
  recipients: SettledRecipients,
  { description }: SmtpConnection,
) {
  const [first] = putOff;
  const addresses = putOff.map(({ address }) => address).join(", ");
  const others =
    recipients.told.length > 0 ? " The others have the mail; the next try goes only to these." : "";
  return new DeliveryError(
    "unavailable",
    `For now, ${description} does not take the mail for ${addresses}: ${first?.reply} It may work later.${others}`,
    { code: String(first?.code), recipients },
  );
}

/** @throws DeliveryError `rejected` when nobody was told */
function receiptOf(
  messageId: string,
  { told, refused }: SettledRecipients,
  { description }: SmtpConnection,
): NotificationReceipt {
  const [first] = refused;
  if (told.length === 0 && first) {
    const addresses = refused.map(({ address }) => address).join(", ");
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
    location: told.join(", "),
    messageId,
    notes: refused.map(({ address, reply }) => `${address} did not get the mail: ${reply}`),
  };
}
