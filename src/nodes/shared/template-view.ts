import type { Node, NodeAPI, NodeMessage } from "node-red";
import type { SourceSpec, TemplateView } from "../../lib";

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
