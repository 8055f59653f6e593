import { describe, expect, test } from "vitest";
import { loadEditorHalf, nodeFolders } from "../support/editor-half";
import { readExamples } from "../support/examples";
import type { FlowNode } from "../support/node-red-process";

const examples = readExamples();
const definitions = new Map(
  nodeFolders.map((folder) => [`delivery-${folder}`, loadEditorHalf(folder).definition]),
);

test("every node is in an example", () => {
  const used = new Set(examples.flatMap(({ flow }) => flow.map(({ type }) => type)));
  expect([...definitions.keys()].filter((type) => !used.has(type))).toEqual([]);
});

test("there is an example for each node of the palette", () => {
  const palette = [...definitions.values()].filter(({ category }) => category !== "config");
  const names = examples.map(({ name }) => name.toLowerCase().replaceAll("-", " "));
  const missing = palette
    .map(({ paletteLabel }) => paletteLabel)
    .filter((label) => !names.some((name) => name.includes(label)));
  expect(missing).toEqual([]);
});

describe.each(examples)("$name", ({ flow, text }) => {
  const byId = new Map(flow.map((node) => [node.id, node]));
  const ours = flow.flatMap((node) => {
    const definition = definitions.get(node.type);
    return definition ? [{ node, definition }] : [];
  });

  test("is whole: every id is there, once", () => {
    expect(byId.size).toBe(flow.length);
    const wires = flow.flatMap(({ wires = [] }) => (wires as string[][]).flat());
    const tabs = flow.flatMap(({ z, g }) => [z, g].filter((id) => typeof id === "string" && id !== ""));
    expect([...wires, ...tabs].filter((id) => !byId.has(id as string))).toEqual([]);
  });

  test("its connections are there and of the right type", () => {
    const wrong: string[] = [];
    for (const { node, definition } of ours) {
      for (const [property, { type, required }] of Object.entries(definition.defaults)) {
        if (type === undefined) continue;
        const id = node[property];
        if (id === "" && !required) continue;
        if (byId.get(id as string)?.type !== type) wrong.push(`${node.id}.${property}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("sets properties that exist, to values that the dialog accepts", () => {
    for (const { node, definition } of ours) {
      const general = ["id", "type", "z", "g", "x", "y", "wires", "d", "l", "info", "env", "credentials"];
      const extra = Object.keys(node).filter(
        (name) => !(name in definition.defaults) && !general.includes(name),
      );
      expect(extra).toEqual([]);
      const missing = Object.keys(definition.defaults).filter((name) => !(name in node));
      expect(missing).toEqual([]);
      expect(refusedBy(node, definition)).toEqual([]);
    }
  });

  test("draws as many outputs as its nodes have", () => {
    for (const { node, definition } of ours) {
      if (definition.category === "config") continue;
      expect((node.wires as unknown[]).length, node.id).toBe(definition.outputs);
    }
  });

  test("has no secret, and nobody's machine", () => {
    for (const { credentials = {} } of flow) {
      for (const value of Object.values(credentials)) expect(value).toMatch(/^(\$\{\w+\})?$/);
    }
    expect(text).not.toMatch(/AKIA|PRIVATE KEY|"(?:password|secretAccessKey|sessionToken)":\s*"[^$"]/);
    expect(text).not.toMatch(/"\/(?:home|root|work|Users)\//);
  });

  test("says what it shows", () => {
    const told = flow.some(({ type, info }) => type === "comment" || (type === "tab" && info));
    expect(told).toBe(true);
  });
});

type Definition = ReturnType<typeof loadEditorHalf>["definition"];

function refusedBy(node: FlowNode, definition: Definition): string[] {
  return Object.entries(definition.defaults).flatMap(([property, { validate }]) => {
    const edited = { ...node, _def: definition };
    const verdict = validate?.call(edited, node[property], {}) ?? true;
    return verdict === true ? [] : [`${node.type}.${property}: ${verdict}`];
  });
}
