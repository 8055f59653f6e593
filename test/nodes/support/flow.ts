import type { NodeStatus } from "node-red";
import { expect } from "vitest";

export interface FlowNode {
  id: string;
  type: string;
  wires?: string[][];
  [setting: string]: unknown;
}

/** Config nodes stand on no tab; what Node-RED runs as a node of a flow has a place on one. */
export function placed(nodes: readonly FlowNode[]): object[] {
  const tab = { id: "tab", type: "tab", label: "Tests" };
  return [
    tab,
    ...nodes.map((node) => (node.type.endsWith("-connection") ? node : { x: 0, y: 0, z: "tab", ...node })),
  ];
}

/** A pattern is for the text. */
export function fits(status: NodeStatus, expected: Partial<NodeStatus> | RegExp): boolean {
  const { text = "" } = status as { text?: string };
  if (expected instanceof RegExp) return expected.test(text);
  try {
    expect(status).toMatchObject(expected);
    return true;
  } catch {
    return false;
  }
}
