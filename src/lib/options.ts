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

function createReader(input: Record<string, unknown>, problems: string[]): OptionReader {
  const problem = (sentence: string) => {
    problems.push(sentence);
  };

  const present = (name: string): unknown => {
    const value = input[name];
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
    number(name, { min, max, default: fallback, integer = false }) {
      const value = present(name);
      if (value === undefined) return fallback;
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      const fits = typeof number === "number" && number >= min && number <= max;
      if (fits && (!integer || Number.isInteger(number))) return number;
      problem(`${name} must be a ${integer ? "whole " : ""}number from ${min} to ${max}`);
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
