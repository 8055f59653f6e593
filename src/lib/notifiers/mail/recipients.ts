import { domainToASCII, domainToUnicode } from "node:url";
import { DeliveryError } from "../../errors";

/** One person or mailbox (RFC 5322 §3.4). */
export interface Mailbox {
  /** For people; empty when there is none. */
  readonly name: string;
  /** `local@domain`, the domain in lower-case ASCII unless the local part is not (RFC 6531). */
  readonly address: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controlCharacter = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const atoms = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const domainLabel = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;
const longestLocalPart = 64;
const longestAddress = 254;

/**
 * Reads `ann@example.com, Bob <bob@example.com>, "Doe, Jane" <jane@example.com>`. Returns each mailbox
 * once, in a form that can be read again. Empty places between commas are left out.
 * @throws DeliveryError `invalid` for a line break or another control character, which could forge a header
 *   or an SMTP command, for what is no address, and for a list without any
 */
export function parseRecipients(text: string): string[] {
  const mailboxes = new Map(parseMailboxes(text).map((mailbox) => [mailbox.address, mailbox]));
  if (mailboxes.size === 0) {
    throw new DeliveryError("invalid", "There is no recipient. Name at least one e-mail address.");
  }
  return [...mailboxes.values()].map(formatMailbox);
}

/** @throws DeliveryError `invalid`, as `parseRecipients` does */
export function parseMailboxes(text: string): Mailbox[] {
  if (controlCharacter.test(text)) {
    throw refused(text, "holds a line break or another control character. Separate recipients by commas");
  }
  return splitList(text)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map(parseMailbox);
}

/** @throws DeliveryError `invalid`, as `parseRecipients` does, also for more than one mailbox */
export function parseSingleMailbox(text: string): Mailbox {
  const [mailbox, ...others] = parseMailboxes(text);
  if (!mailbox || others.length > 0) throw refused(text, "must be one e-mail address");
  return mailbox;
}

/** `"Doe, Jane" <jane@example.com>`, or the address alone. */
export function formatMailbox({ name, address }: Mailbox): string {
  if (name === "") return address;
  const plain = /^[\p{L}\p{M}\p{N} _-]+$/u.test(name);
  return `${plain ? name : `"${name.replace(/["\\]/g, "\\$&")}"`} <${address}>`;
}

/** Splits at the commas that are not within quotes. */
function splitList(text: string): string[] {
  const entries: string[] = [];
  let quoted = false;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\" && quoted) at++;
    else if (character === '"') quoted = !quoted;
    else if (character === "," && !quoted) {
      entries.push(text.slice(start, at));
      start = at + 1;
    }
  }
  if (quoted) throw refused(text, "has a quotation mark that is not closed");
  return [...entries, text.slice(start)];
}

function parseMailbox(entry: string): Mailbox {
  const bracket = entry.endsWith(">") ? entry.lastIndexOf("<") : -1;
  if (bracket === -1) return { name: "", address: readAddress(entry, entry) };
  const phrase = entry.slice(0, bracket).trim();
  const name = phrase.replace(/"((?:\\.|[^"\\])*)"/g, (_, inner: string) => inner.replace(/\\(.)/g, "$1"));
  if (/[<>]/.test(phrase.replace(/"(?:\\.|[^"\\])*"/g, ""))) {
    throw refused(entry, "holds more than one address. Separate recipients by commas");
  }
  return { name: name.trim(), address: readAddress(entry.slice(bracket + 1, -1).trim(), entry) };
}

/** RFC 5321 §4.1.2 and RFC 6531, without quoted local parts and address literals, which nobody has. */
function readAddress(address: string, entry: string): string {
  const at = address.lastIndexOf("@");
  const local = address.slice(0, at);
  const domain = domainToASCII(address.slice(at + 1)).toLowerCase();
  const fits =
    at > 0 &&
    atoms.test(local) &&
    Buffer.byteLength(local) <= longestLocalPart &&
    domain.split(".").every((label) => domainLabel.test(label)) &&
    Buffer.byteLength(local) + domain.length < longestAddress;
  if (!fits) {
    const advice = /;/.test(entry) ? "Separate recipients by commas" : "Write it as name@example.com";
    throw refused(entry, `is not an e-mail address. ${advice}`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
  return `${local}@${/^[\u0000-\u007f]*$/.test(local) ? domain : domainToUnicode(domain)}`;
}

function refused(text: string, reason: string): DeliveryError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  const printable = JSON.stringify(shown).slice(1, -1).replaceAll('\\"', '"');
  return new DeliveryError("invalid", `The recipient "${printable}" ${reason}.`);
}
