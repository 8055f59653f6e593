import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { createContext, runInContext } from "node:vm";

export const packageRoot = path.resolve(__dirname, "../..");

/** The order of the palette, then the connections. */
export const nodeFolders = [
  "schedule",
  "data-source",
  "s3-writer",
  "ftp-writer",
  "sftp-writer",
  "folder-writer",
  "retry",
  "notify",
  "s3-connection",
  "ftp-connection",
  "sftp-connection",
  "smtp-connection",
  "store",
] as const;

export type Validate = (this: EditedNode, value: unknown, options: object) => true | string;

export interface PropertyDefinition {
  value: unknown;
  type?: string;
  required?: boolean;
  label?: string;
  validate?: Validate;
}

export interface NodeDefinition {
  category: string;
  color: string;
  icon?: string;
  paletteLabel: string;
  inputs?: number;
  outputs?: number;
  defaults: Record<string, PropertyDefinition>;
  credentials?: Record<string, { type: "text" | "password" }>;
  _?: (key: string, values?: object) => string;
}

/** What a validator gets as `this`. */
export type EditedNode = { id: string; _def: NodeDefinition } & Record<string, unknown>;

export interface EditorHalf {
  folder: string;
  /** The whole `.html` file. */
  html: string;
  /** The form, as it is in the file. */
  form: string;
  /** The inline script. */
  script: string;
  /** The shared scripts it loads, by file name. */
  resources: { name: string; code: string }[];
  help: string;
  /** The texts by their dotted keys. */
  texts: Record<string, string>;
  type: string;
  definition: NodeDefinition;
  /** Wakes a validator as the editor does. `other` are the node's other properties, at their defaults if absent. */
  validate(property: string, value: unknown, other?: Record<string, unknown>): true | string;
}

const read = (...parts: string[]) => readFileSync(path.join(packageRoot, ...parts), "utf8");

/** Reads a node's editor half and runs its script far enough to learn the definition. */
export function loadEditorHalf(folder: string): EditorHalf {
  const html = read("src/nodes", folder, `${folder}.html`);
  const sources = [...html.matchAll(/<script src="([^"]+)"><\/script>/g)].map(([, source]) => source ?? "");
  const resources = sources.map((source) => {
    const name = source.replace("resources/@data-distribution/node-red/", "");
    return { name, code: read("resources", name) };
  });
  const script = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? "";
  const texts = flatten(JSON.parse(read("src/nodes", folder, `locales/en-US/${folder}.json`)));
  const { type, definition } = runScripts([...resources.map(({ code }) => code), script], texts);
  return {
    folder,
    html,
    form: /<script type="text\/html"[^>]*>([\s\S]*?)<\/script>/.exec(html)?.[1] ?? "",
    script,
    resources,
    help: read("src/nodes", folder, `locales/en-US/${folder}.html`),
    texts,
    type,
    definition,
    validate(property, value, other = {}) {
      const defaults = Object.entries(definition.defaults).map(([name, one]) => [name, one.value]);
      const node = {
        id: "1",
        _def: definition,
        ...Object.fromEntries(defaults),
        ...other,
        [property]: value,
      };
      const validate = definition.defaults[property]?.validate;
      if (!validate) throw new Error(`${folder}.${property} has no validator`);
      return validate.call(node as EditedNode, value, {});
    },
  };
}

/** Runs the scripts beside the few globals they need before a dialog opens. */
function runScripts(scripts: string[], texts: Record<string, string>) {
  const registered: { type: string; definition: NodeDefinition }[] = [];
  const translate = (key: string, values: object = {}) =>
    Object.entries(values).reduce(
      (text, [name, value]) => text.replaceAll(`__${name}__`, String(value)),
      texts[key.replace(/^.*:/, "")] ?? key,
    );
  const context = createContext({
    RED: {
      _: translate,
      utils: { sanitize: (text: string) => text.replace(/</g, "&lt;") },
      nodes: {
        registerType(type: string, definition: NodeDefinition) {
          registered.push({ type, definition: Object.assign(definition, { _: translate }) });
        },
      },
    },
    $: () => ({ appendTo: () => undefined }),
    setTimeout,
  });
  for (const script of scripts) runInContext(script, context);
  const [first] = registered;
  if (!first || registered.length > 1) throw new Error("An editor half registers exactly one type.");
  return first;
}

function flatten(tree: object, prefix = ""): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]) =>
      typeof value === "string"
        ? [[prefix + key, value]]
        : Object.entries(flatten(value, `${prefix}${key}.`)),
    ),
  );
}

export const fileExists = (...parts: string[]) => existsSync(path.join(packageRoot, ...parts));
