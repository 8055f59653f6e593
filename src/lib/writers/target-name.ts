import { DeliveryError } from "../errors";

// C0 and C1 controls and DEL would end or forge a protocol line; a lone surrogate has no UTF-8 form.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const forbidden = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * The segments of a target name such as `reports/2026/customers.csv`. Leading slashes are dropped: every
 * target is below the writer's root.
 * @throws DeliveryError `invalid` for an empty name, an empty, `.` or `..` segment, a control character
 *   or text that is not well-formed Unicode
 */
export function splitTargetName(target: string): [string, ...string[]] {
  const name = target.replace(/^\/+/, "");
  const refuse = (reason: string) =>
    new DeliveryError("invalid", `The name "${printable(target)}" ${reason}`);
  if (name === "") throw new DeliveryError("invalid", "The target name is empty. Give it a file name.");
  if (forbidden.test(name)) throw refuse("holds a control character, such as a line break. Remove it.");
  if (!isWellFormed(name)) throw refuse("is not well-formed Unicode text.");
  const segments = name.split("/");
  // Servers on Windows take a backslash for a slash.
  if (name.split(/[/\\]/).some((part) => part === ".." || part === ".")) {
    throw refuse('holds a "." or ".." folder, which could leave the configured folder. Remove it.');
  }
  if (segments.at(-1) === "") throw refuse("ends in a slash. Add the file name.");
  if (segments.includes("")) {
    throw refuse("holds an empty folder name. Did a template value come out empty?");
  }
  return segments as [string, ...string[]];
}

/** How to treat a file that is already at the target. */
export const conflictPolicies = ["replace", "fail", "skip-identical", "keep-both"] as const;
export type ConflictPolicy = (typeof conflictPolicies)[number];

/** `report.csv`, 2 → `report-2.csv`: the names that `keep-both` tries, counted from 1. */
export function numberedName(leaf: string, n: number): string {
  const dot = leaf.lastIndexOf(".");
  return dot > 0 ? `${leaf.slice(0, dot)}-${n}${leaf.slice(dot)}` : `${leaf}-${n}`;
}

function printable(name: string): string {
  const spellOut = (control: string) => `\\u00${control.charCodeAt(0).toString(16)}`;
  return JSON.stringify(name)
    .slice(1, -1)
    .replace(/[\u007f-\u009f]/g, spellOut);
}

function isWellFormed(name: string): boolean {
  // String.prototype.isWellFormed is in Node.js 20 but not in ES2023's types.
  return !/\p{Surrogate}/u.test(name);
}
