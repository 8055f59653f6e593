import { DeliveryError } from "./errors";

/**
 * Reads untyped settings. Each call takes one named value and notes what is wrong with it, so that a
 * person sees every problem at once. Numbers and booleans may come as strings, which is how
 * environment variables arrive. An unset or empty value takes the default.
 */
export interface OptionReader {
  /** A required string. */
  string(name: string, check?: StringCheck): string;
  optionalString(name: string, check?: StringCheck): string | undefined;
  number(name: string, range: { min: number; max: number; default: number; integer?: boolean }): number;
  boolean(name: string, fallback: boolean): boolean;
  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T;
  /** An object of strings; other values are refused. */
  strings(name: string): Record<string, string>;
  list<T extends string>(name: string, choices: readonly T[], fallback: readonly T[]): T[];
  /** Notes a problem that only several values together make. */
  problem(sentence: string): void;
}

export interface StringCheck {
  pattern: RegExp;
  /** Ends the sentence "name must be …". */
  must: string;
}

/**
 * @param title what the settings belong to, for the sentence: `S3 connection`
 * @throws DeliveryError `invalid` that lists every problem
 */
export function readOptions<T>(title: string, input: unknown, read: (options: OptionReader) => T): T {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new DeliveryError("invalid", `${title}: the settings must be an object.`);
  }
  const problems: string[] = [];
  const result = read(createReader(input as Record<string, unknown>, problems));
  if (problems.length > 0) {
    throw new DeliveryError("invalid", `${title}: ${problems.join("; ")}.`);
  }
  return result;
}

const unsetVariable = /^\$\{([^}]+)\}$/;

const measure = Symbol("measure");

/** A number that a person gives under another name and in another unit than the option has. */
export interface Measure {
  readonly [measure]: true;
  readonly name: string;
  readonly value: unknown;
  readonly factor: number;
}

/**
 * What to hand to `number` where a dialog speaks in seconds and the library in milliseconds: the problem
 * then names the dialog's setting, and its bounds in the dialog's unit.
 * @param factor how many of the option's units one of the dialog's is
 */
export function inUnit(name: string, value: unknown, factor: number): Measure {
  return { [measure]: true, name, value, factor };
}

function isMeasure(value: unknown): value is Measure {
  return typeof value === "object" && value !== null && measure in value;
}

function createReader(input: Record<string, unknown>, problems: string[]): OptionReader {
  const problem = (sentence: string) => {
    problems.push(sentence);
  };

  const present = (name: string, value = input[name]): unknown => {
    if (value === undefined || value === null || value === "") return undefined;
    const variable = typeof value === "string" ? unsetVariable.exec(value)?.[1] : undefined;
    if (variable === undefined) return value;
    problem(`${name}: the environment variable ${variable} is not set`);
    return undefined;
  };

  const optionalString = (name: string, check?: StringCheck): string | undefined => {
    const value = present(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") {
      problem(`${name} must be text`);
      return undefined;
    }
    if (check && !check.pattern.test(value)) {
      problem(`${name} must be ${check.must}`);
      return undefined;
    }
    return value;
  };

  return {
    problem,
    optionalString,
    string(name, check) {
      const before = problems.length;
      const value = optionalString(name, check);
      if (value === undefined && problems.length === before) problem(`${name} is missing`);
      return value ?? "";
    },
    number(option, { min, max, default: fallback, integer = false }) {
      const given = input[option];
      const measured = isMeasure(given);
      const { name, value: told, factor } = measured ? given : { name: option, value: given, factor: 1 };
      const value = present(name, told);
      if (value === undefined) return fallback;
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      if (typeof number === "number") {
        // A part of 8.1 MB is no whole number of bytes, and nobody minds.
        const own = measured && integer ? Math.round(number * factor) : number * factor;
        if (own >= min && own <= max && (!integer || Number.isInteger(own))) return own;
      }
      const whole = integer && !measured ? "whole " : "";
      problem(`${name} must be a ${whole}number from ${min / factor} to ${max / factor}`);
      return fallback;
    },
    boolean(name, fallback) {
      const value = present(name);
      if (value === undefined) return fallback;
      if (value === true || value === "true") return true;
      if (value === false || value === "false") return false;
      problem(`${name} must be true or false`);
      return fallback;
    },
    choice(name, choices, fallback) {
      const value = present(name);
      if (value === undefined) return fallback;
      const found = choices.find((choice) => choice === value);
      if (found === undefined) problem(`${name} must be one of ${choices.join(", ")}`);
      return found ?? fallback;
    },
    strings(name) {
      const value = present(name);
      if (value === undefined) return {};
      if (typeof value !== "object" || Array.isArray(value)) {
        problem(`${name} must be a set of names and texts`);
        return {};
      }
      const entries = Object.entries(value as Record<string, unknown>);
      for (const [key, entry] of entries) {
        if (typeof entry !== "string") problem(`${name}.${key} must be text`);
      }
      return Object.fromEntries(
        entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
      );
    },
    list(name, choices, fallback) {
      const value = present(name);
      if (value === undefined) return [...fallback];
      if (!Array.isArray(value)) {
        problem(`${name} must be a list`);
        return [...fallback];
      }
      const unknown = value.filter((entry) => !choices.includes(entry));
      if (unknown.length > 0) {
        problem(`${name} can hold only ${choices.join(", ")}, not ${unknown.map(shown).join(", ")}`);
      }
      return choices.filter((choice) => value.includes(choice));
    },
  };
}

function shown(entry: unknown): string {
  return typeof entry === "object" ? "an object" : String(entry);
}
