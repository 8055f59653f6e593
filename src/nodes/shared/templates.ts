import {
  type OptionReader,
  readOptions,
  renderTemplate,
  type TemplateView,
  toDeliveryError,
} from "../../lib";

/** Reads a node's templates, so that what is wrong with them is said when the node starts. */
export interface TemplateReader {
  readonly options: OptionReader;
  /** In which the templates' dates are; empty for the machine's own. */
  readonly timeZone: string;
  /** A template; empty where none is set. */
  text(name: string): string;
  /** The rows of a list as templates by their names; rows without a name are left out. */
  rows(name: string): Record<string, string>;
}

/** @param config the node's settings, which `options` reads as well */
export function templateReader(options: OptionReader, config: object): TemplateReader {
  const settings = config as Readonly<Record<string, unknown>>;
  const timeZone = options.optionalString("timeZone") ?? "";
  check("timeZone", "{{isoDate}}", timeZone, options);
  return {
    options,
    timeZone,
    text(name) {
      const value = settings[name];
      // An environment variable may be a number or a yes.
      const text = isSimple(value) ? String(value) : (options.optionalString(name) ?? "");
      check(name, text, "", options);
      return text;
    },
    rows(name) {
      const rows = settings[name] || [];
      if (!Array.isArray(rows)) {
        options.problem(`${name} must be a list of names and texts`);
        return {};
      }
      const named = rows.flatMap((row: unknown, at) => readRow(`${name}, row ${at + 1}`, row, options));
      return Object.fromEntries(named);
    },
  };
}

/** Renders each value; an empty template sets nothing. */
export function renderAll(
  templates: Readonly<Record<string, string>>,
  view: TemplateView,
  timeZone: string,
): Record<string, string> {
  const rendered = Object.entries(templates).map(([name, template]) => [
    name,
    renderTemplate(template, view, { timeZone }),
  ]);
  return Object.fromEntries(rendered.filter(([, value]) => value !== ""));
}

function readRow(place: string, row: unknown, options: OptionReader): [string, string][] {
  try {
    return readOptions(place, row, (own) => {
      const { text } = templateReader(own, row as object);
      const [name, value] = [text("name"), text("value")];
      return name === "" ? [] : [[name, value]];
    });
  } catch (error) {
    options.problem(sentenceOf(error));
    return [];
  }
}

function isSimple(value: unknown): value is number | boolean {
  return typeof value === "number" || typeof value === "boolean";
}

/** With nothing to fill in, only a template that is not well formed fails, and an unknown time zone. */
function check(name: string, template: string, timeZone: string, options: OptionReader): void {
  try {
    renderTemplate(template, { now: new Date() }, { timeZone, lenient: true });
  } catch (error) {
    options.problem(`${name}: ${sentenceOf(error)}`);
  }
}

/** Without its full stop, as it becomes part of another sentence. */
function sentenceOf(error: unknown): string {
  return toDeliveryError(error).message.replace(/\.$/, "");
}
