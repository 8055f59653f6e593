import { codeOf } from "./errors";

const longestQuote = 200;

/** What the other side said, on one line, cut to a readable length and without what must not be shown. */
export function quote(text: string, secrets: readonly string[] = []): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a server may send anything
  const line = scrub(text.replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, " ").trim(), secrets);
  const cut = line.length > longestQuote ? `${line.slice(0, longestQuote)}…` : line;
  return /[.!?…]$/.test(cut) ? cut : `${cut}.`;
}

/** The parts of an error that hold no secret: its name, message, stack and code, scrubbed. */
export function harmlessCause(error: unknown, secrets: readonly string[] = []): Error {
  const cause = new Error(scrub(error instanceof Error ? error.message : String(error), secrets));
  if (error instanceof Error) {
    cause.name = error.name;
    if (error.stack !== undefined) cause.stack = scrub(error.stack, secrets);
  }
  const code = codeOf(error);
  return code === undefined ? cause : Object.assign(cause, { code });
}

/** The text with each secret replaced by `***`. */
export function scrub(text: string, secrets: readonly string[]): string {
  let result = text;
  for (const secret of secrets) {
    if (secret === "") continue;
    const literal = secret.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    // A short secret is taken out as a word only, or a password "e" would make every sentence unreadable.
    const pattern = secret.length >= 4 ? literal : `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`;
    result = result.replace(new RegExp(pattern, "giu"), "***");
  }
  return result;
}

/** Begins a sentence with what stands within sentences otherwise: `the FTP server …`. */
export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
