import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { fileExists, loadEditorHalf, nodeFolders, packageRoot } from "../support/editor-half";

const paletteNodes: readonly string[] = [
  "schedule",
  "data-source",
  "s3-writer",
  "ftp-writer",
  "sftp-writer",
  "folder-writer",
  "retry",
  "notify",
];

test("every node of the package has an editor half, and the package lists it", () => {
  const folders = readdirSync(path.join(packageRoot, "src/nodes")).filter((name) => name !== "shared");
  expect(folders.sort()).toEqual([...nodeFolders].sort());
  const { "node-red": listed } = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));
  const expected = nodeFolders.map((n) => [`delivery-${n}`, `dist/nodes/${n}/${n}.js`]);
  expect(listed.nodes).toEqual(Object.fromEntries(expected));
});

describe.each([...nodeFolders])("%s", (folder) => {
  const half = loadEditorHalf(folder);
  const { definition, form, help, html, script, texts } = half;
  const isConfig = !paletteNodes.includes(folder);

  test("registers its type as an inline literal, for the form and the help of the same name", () => {
    const type = `delivery-${folder}`;
    expect(half.type).toBe(type);
    expect(script).toContain(`RED.nodes.registerType("${type}", {`);
    expect(html).toContain(`data-template-name="${type}"`);
    expect(help).toMatch(new RegExp(`^<script type="text/markdown" data-help-name="${type}">\n`));
  });

  test("is where people look for it, with an icon of its own", () => {
    expect(definition.category).toBe(isConfig ? "config" : "data distribution");
    expect(definition.paletteLabel).toBe(folder.replace("-", " "));
    if (isConfig) return;
    expect(definition.icon).toBe(`${folder}.svg`);
    const icon = readFileSync(path.join(packageRoot, "icons", `${folder}.svg`), "utf8");
    expect(icon).toMatch(/^<svg width="40" height="60" viewBox="0 0 40 60" /);
    const colours = [...icon.matchAll(/(?:fill|stroke)="([^"]+)"/g)].map(([, colour]) => colour);
    expect(new Set(colours.filter((colour) => colour !== "none"))).toEqual(new Set(["#fff"]));
  });

  test("says every text that its form and scripts ask for, and has no text that nobody asks for", () => {
    const groups = [...new Set(Object.keys(texts).map((key) => key.split(".")[0]))];
    const inForm = [...form.matchAll(/data-i18n="(?:\[[\w-]+\])?([^"]+)"/g)].map(([, key]) => key);
    const literal = new RegExp(
      `["'](?:@data-distribution/node-red/[\\w-]+:)?((?:${groups.join("|")})\\.[\\w.]+)["']`,
      "g",
    );
    const code = [script, ...half.resources.map((resource) => resource.code)].join("\n");
    const inCode = [...code.matchAll(literal)].map(([, key]) => key);
    expect([...new Set([...inForm, ...inCode])].sort()).toEqual(Object.keys(texts).sort());
  });

  test("has a field for every property and credential, and none for anything else", () => {
    const prefix = isConfig ? "node-config-input-" : "node-input-";
    const ids = [...form.matchAll(/ id="(node-(?:config-)?input-[^"]+)"/g)].map(([, id]) => id ?? "");
    expect(ids.filter((id) => !id.startsWith(prefix))).toEqual([]);
    const fields = ids.map((id) => id.slice(prefix.length).replace(/-(container|editor|expand)$/, ""));
    const properties = [...Object.keys(definition.defaults), ...Object.keys(definition.credentials ?? {})];
    expect([...new Set(fields)].sort()).toEqual(properties.sort());
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of form.matchAll(/ for="([^"]+)"/g)) expect(ids).toContain(target);
  });

  test("loads only shared scripts that exist, and colours nothing itself", () => {
    for (const { name } of half.resources) expect(fileExists("resources", name)).toBe(true);
    expect(form).not.toMatch(/style="[^"]*(color|background)/);
    expect(form).not.toContain("<style");
  });

  test("helps in the order of the style guide", () => {
    const body = help.replace(/<\/?script[^>]*>\n?/g, "");
    const [sentence = ""] = body.split("\n\n");
    expect(sentence).toMatch(/^[A-Z][^\n]{20,140}\.$/);
    const headings = [...body.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading);
    const inputs = definition.inputs ? ["Inputs"] : [];
    expect(headings).toEqual([...inputs, ...(isConfig ? [] : ["Outputs"]), "Details", "References"]);
    const numbered = [...body.matchAll(/^\d\. /gm)];
    expect(numbered.length).toBe(definition.outputs === 2 ? 2 : 0);
    // More colons, and Node-RED shows the line as it is instead of as a list of properties.
    for (const [line] of body.matchAll(/^ *: .*$/gm)) {
      expect(line).toMatch(/^(?: {3})?: \*?\w+\*? \([^:()]+\) : [^:]+$/);
    }
  });
});

test.each(nodeFolders.filter((folder) => /-writer$|^notify$|^schedule$/.test(folder)))(
  "%s lets people choose where its work is kept",
  (folder) => {
    const { store } = loadEditorHalf(folder).definition.defaults;
    expect(store).toMatchObject({ value: "", type: "delivery-store", required: false, label: "Kept in" });
  },
);

test("shared styles take every colour from Node-RED's theme", () => {
  const css = readFileSync(path.join(packageRoot, "resources/dialog.css"), "utf8");
  expect(css).not.toMatch(/#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(/i);
  const values = [...css.matchAll(/(?:^|[\s-])(?:color|background):\s*([^;]+);/g)].map(
    ([, value]) => value ?? "",
  );
  expect(values.length).toBeGreaterThan(5);
  for (const value of values) expect(value).toMatch(/^var\(--red-ui-/);
});
