import type { Node, NodeAPI, NodeMessage } from "node-red";
import { renderTemplate, type SourceSpec, type TemplateView } from "../../lib";

export interface NamedValue {
  name: string;
  value: string;
}

/**
 * Everything a template of this node may name.
 * @param source when it is another one than the message's
 */
export function templateView(
  RED: NodeAPI,
  node: Node,
  msg: NodeMessage,
  source = msg.source as SourceSpec | undefined,
): TemplateView {
  return {
    msg,
    metadata: (msg.metadata ?? {}) as object,
    delivery: msg.delivery as object,
    ...(typeof source === "object" && source !== null && { source: describeSource(source) }),
    env: lookup((name) => RED.util.getSetting(node, name)),
    flow: lookup((name) => node.context().flow.get(name)),
    global: lookup((name) => node.context().global.get(name)),
    now: new Date(),
  };
}

/** Renders each value; an empty template sets nothing. */
export function renderAll(
  templates: Readonly<Record<string, string | undefined>>,
  view: TemplateView,
  timeZone: string,
): Record<string, string> {
  const rendered = Object.entries(templates).map(([name, template]) => [
    name,
    renderTemplate(template ?? "", view, { timeZone }),
  ]);
  return Object.fromEntries(rendered.filter(([, value]) => value !== ""));
}

/** Rows of a dialog's list as an object; rows without a name are left out. */
export function fromRows(rows: readonly NamedValue[] | undefined): Record<string, string> {
  return Object.fromEntries((rows ?? []).filter(({ name }) => name).map(({ name, value }) => [name, value]));
}

/** What a template may say of a source: never its content. */
function describeSource({ kind, name, contentType, size, sha256 }: SourceSpec): object {
  return { kind, name, contentType, size, sha256 };
}

function lookup(get: (name: string) => unknown): object {
  return new Proxy(
    {},
    {
      get: (_, name) => (typeof name === "string" ? get(name) : undefined),
      has: (_, name) => typeof name === "string" && get(name) !== undefined,
    },
  );
}
