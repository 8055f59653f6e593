import { compileFunction } from "node:vm";
import type { Node, NodeAPI, NodeMessage } from "node-red";
import { DeliveryError } from "../../lib";

export interface UserFunctionCall {
  RED: NodeAPI;
  node: Node;
  msg: NodeMessage;
  /** Aborted when the node closes or the content is too large. */
  signal: AbortSignal;
}

/** What the code returns is checked by whoever reads it. */
export type UserFunction = (call: UserFunctionCall) => Promise<unknown>;

const parameters = ["msg", "metadata", "flow", "global", "env", "node", "signal", "RED"];

/**
 * Compiles the code of a data source. It runs with the same trust as a Function node: whoever can edit
 * flows can run code on this machine.
 * @throws DeliveryError `invalid` for code that does not parse, with its line
 */
export function compileUserFunction(code: string): UserFunction {
  let compiled: (...values: unknown[]) => Promise<unknown>;
  try {
    compiled = compileFunction(`return (async () => {\n${code}\n})();`, parameters, {
      filename: "data source",
      lineOffset: -1,
    }) as typeof compiled;
  } catch (error) {
    const { message, stack = "" } = error as Error;
    const line = /data source:(\d+)/.exec(stack)?.[1];
    throw new DeliveryError(
      "invalid",
      `The function of the data source does not parse: ${message}${line ? ` (line ${line})` : ""}.`,
    );
  }
  return ({ RED, node, msg, signal }) => {
    const { flow, global } = node.context();
    const env = { get: (name: string) => RED.util.getSetting(node, name) };
    const log = {
      log: (text: unknown) => node.log(text),
      warn: (text: unknown) => node.warn(text),
      error: (text: unknown) => node.error(text),
      id: node.id,
      name: node.name,
    };
    const metadata = msg.metadata ?? {};
    return compiled(msg, metadata, flow, global, env, log, signal, { util: RED.util });
  };
}
