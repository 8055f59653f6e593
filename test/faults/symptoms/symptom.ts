import type { ErrorKind } from "../../../src/lib";

/** What goes wrong, and what people read of it: for the tests, and for the table in the documentation. */
export interface Symptom {
  /** What happens, for the table. */
  symptom: string;
  kind: ErrorKind;
  /** The error's code. */
  code: string;
  /**
   * The error's sentence. `{Where}` and `{where}` stand for the other side, `{path}` for the folder there;
   * `{*for example}` for words that differ each time.
   */
  says: string;
  /** What the error itself asks for, as in `ErrorRecord`. */
  maxAttempts?: number;
  retryAfterMs?: number;
}

/** The place of a sentence: how the other side is named, and the folder there. */
export interface Place {
  where: string;
  path: string;
}

/** The sentence with an example for all that varies. */
export function sentenceOf({ says }: Pick<Symptom, "says">, place: Place): string {
  return filled(says, place).replace(/\{\*(.*?)\}/g, "$1");
}

/** Matches the sentence as a whole. */
export function patternOf({ says }: Pick<Symptom, "says">, place: Place): RegExp {
  const [first = "", ...rest] = filled(says, place).split(/\{\*.*?\}/);
  return new RegExp(`^${[first, ...rest].map(literal).join(".+?")}$`);
}

function filled(says: string, { where, path }: Place): string {
  const capital = where.charAt(0).toUpperCase() + where.slice(1);
  return says.replaceAll("{Where}", capital).replaceAll("{where}", where).replaceAll("{path}", path);
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
