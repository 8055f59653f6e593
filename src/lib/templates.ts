import { randomUUID } from "node:crypto";
import { types } from "node:util";
import Mustache from "mustache";
import { DeliveryError } from "./errors";

/** What a template may name. Values may be Proxies that look a name up when it is asked for. */
export interface TemplateView {
  msg?: object | undefined;
  metadata?: object | undefined;
  source?: object | undefined;
  delivery?: object | undefined;
  env?: object | undefined;
  flow?: object | undefined;
  global?: object | undefined;
  now: Date;
}

export interface TemplateOptions {
  /** An IANA name such as `Europe/Berlin`. Default, also for an empty text: the machine's own. */
  timeZone?: string;
  /** A name without a value leaves nothing instead of failing. */
  lenient?: boolean;
}

/** As `Mustache.parse` gives them: kind, name or text, start, end and, of a section, what it holds. */
type Token = [kind: string, value: string, start: number, end: number, inside?: Token[]];

interface Rendering {
  /** Innermost last. */
  scopes: unknown[];
  lenient: boolean;
}

/**
 * Fills a Mustache template. Nothing is escaped: the result is a file name, a header or a plain text.
 * Objects appear as JSON, dates as ISO 8601. Besides the view there are `{{uuid}}`, new at every use, and
 * of `now`, in the time zone: `yyyy yy MM dd HH mm ss SSS`, `isoDate` (yyyy-MM-dd), and ISO 8601's `week`
 * with the year it belongs to, `weekYear`. Sections ask only whether there is something.
 * @throws DeliveryError `invalid` for a template that does not parse, for a name without a value unless
 *   `lenient`, and for an unknown time zone
 */
export function renderTemplate(template: string, view: TemplateView, options: TemplateOptions = {}): string {
  if (!template.includes("{{")) return template;
  const base = { ...view, ...dateHelpers(view.now, options.timeZone) };
  Object.defineProperty(base, "uuid", { get: () => randomUUID() });
  const tokens = parse(template);
  try {
    return renderTokens(tokens, { scopes: [base], lenient: options.lenient ?? false });
  } catch (error) {
    if (error instanceof DeliveryError) throw error;
    throw invalid(`The template ${quote(template)} cannot be filled: ${(error as Error).message}`);
  }
}

function parse(template: string): Token[] {
  const writer = new Mustache.Writer();
  // The library's cache never forgets a template.
  Object.assign(writer, { templateCache: undefined });
  try {
    return writer.parse(template);
  } catch (error) {
    throw invalid(`The template ${quote(template)} is not well formed: ${(error as Error).message}.`);
  }
}

function renderTokens(tokens: Token[], rendering: Rendering): string {
  return tokens.map((token) => renderToken(token, rendering)).join("");
}

function renderToken([kind, value, , , inside = []]: Token, rendering: Rendering): string {
  switch (kind) {
    case "text":
      return value;
    case "name":
    case "&":
      return variable(value, rendering);
    case "#":
      return itemsOf(lookup(value, rendering.scopes))
        .map((item) => renderTokens(inside, { ...rendering, scopes: [...rendering.scopes, item] }))
        .join("");
    case "^":
      return itemsOf(lookup(value, rendering.scopes)).length === 0 ? renderTokens(inside, rendering) : "";
    case ">":
      throw invalid(`The template asks for another template, {{> ${value}}}. There are none.`);
    default:
      return "";
  }
}

/** What a section is repeated for: nothing for an empty value, as Mustache has it. */
function itemsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return value ? [value] : [];
}

function variable(name: string, { scopes, lenient }: Rendering): string {
  if (name === "") throw invalid("The template holds {{}} without a name.");
  const value = lookup(name, scopes);
  if (value === undefined && !lenient) throw unknownName(name);
  return textOf(name, value);
}

function textOf(name: string, value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "object") return String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString();
  if (types.isUint8Array(value)) return Buffer.from(value.buffer, value.byteOffset, value.length).toString();
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    throw invalid(
      `The template's {{${name}}} is an object that cannot be written as JSON. Name a part of it.`,
    );
  }
}

/** The first part of a name is looked for from the inside out; the rest below it, as Mustache's spec says. */
function lookup(name: string, scopes: readonly unknown[]): unknown {
  if (name === ".") return scopes.at(-1);
  const [root = "", ...rest] = name.split(".");
  const scope = scopes.findLast((candidate) => member(candidate, root) !== undefined);
  return rest.reduce(member, member(scope, root));
}

/**
 * A property that holds data. What everything inherits, such as `constructor`, and functions are not for
 * templates; getters of a class are, as Node.js has `headers` of a request in one.
 */
function member(value: unknown, name: string): unknown {
  if (value === undefined || value === null || name in Object.prototype) return undefined;
  const found = holds(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  return typeof found === "function" ? undefined : found;
}

function holds(value: NonNullable<unknown>, name: string): boolean {
  // A Proxy answers for names that it does not own.
  if (types.isProxy(value)) return name in value;
  if (Object.hasOwn(value, name)) return true;
  if (typeof value !== "object") return false;
  for (let owner = Object.getPrototypeOf(value); owner; owner = Object.getPrototypeOf(owner)) {
    const descriptor = Object.getOwnPropertyDescriptor(owner, name);
    if (descriptor) return descriptor.get !== undefined;
  }
  return false;
}

function dateHelpers(now: Date, timeZone: string | undefined): Record<string, string> {
  const parts = new Map(
    dateFormat(timeZone)
      .formatToParts(now)
      .map(({ type, value }) => [type, value]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? "";
  const yyyy = part("year").padStart(4, "0");
  const [MM, dd] = [part("month"), part("day")];
  return {
    yyyy,
    yy: yyyy.slice(-2),
    MM,
    dd,
    HH: part("hour"),
    mm: part("minute"),
    ss: part("second"),
    SSS: part("fractionalSecond"),
    isoDate: `${yyyy}-${MM}-${dd}`,
    ...isoWeek(Number(yyyy), Number(MM), Number(dd)),
  };
}

/** Making one takes longer than all the rest. */
const dateFormats = new Map<string, Intl.DateTimeFormat>();

function dateFormat(timeZone = ""): Intl.DateTimeFormat {
  const known = dateFormats.get(timeZone);
  if (known) return known;
  try {
    const format = new Intl.DateTimeFormat("en-GB", {
      ...(timeZone && { timeZone }),
      calendar: "gregory",
      numberingSystem: "latn",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      fractionalSecondDigits: 3,
      hourCycle: "h23",
    });
    dateFormats.set(timeZone, format);
    return format;
  } catch {
    throw invalid(`The time zone ${quote(timeZone)} is not known. Use a name such as Europe/Berlin.`);
  }
}

/** A week belongs to the year that its Thursday is in (ISO 8601). */
function isoWeek(year: number, month: number, day: number): { week: string; weekYear: string } {
  const dayMs = 24 * 60 * 60 * 1000;
  const date = Date.UTC(year, month - 1, day);
  const daysSinceMonday = (new Date(date).getUTCDay() + 6) % 7;
  const thursday = new Date(date + (3 - daysSinceMonday) * dayMs);
  const weekYear = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(weekYear, 0, 1)) / dayMs / 7) + 1;
  return { week: String(week).padStart(2, "0"), weekYear: String(weekYear) };
}

const roots = ["msg", "metadata", "source", "delivery", "env", "flow", "global", "now"];

function unknownName(name: string): DeliveryError {
  const [root = ""] = name.split(".");
  const advice = roots.includes(root)
    ? "Check the spelling, or make sure that it is set."
    : `Values are found under ${roots.join(", ")}, for example {{msg.topic}}.`;
  return invalid(`The template's {{${name}}} has no value here. ${advice}`);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function invalid(message: string): DeliveryError {
  return new DeliveryError("invalid", message);
}
