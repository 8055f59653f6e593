import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt, packageRoot } from "../support/built-package";

const manifest = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8"));

test("carries what Node-RED's scorecard asks for", () => {
  expect(manifest.name).toBe("@data-distribution/node-red");
  expect(manifest.license).toBe("MIT");
  expect(manifest.keywords).toContain("node-red");
  expect(manifest.engines.node).toBe(">=20");
  expect(manifest["node-red"].version).toBe(">=4.1.0");
});

test("depends on six packages at most, the ones that were agreed on", () => {
  const agreed = [
    "@aws-sdk/client-s3",
    "@aws-sdk/s3-request-presigner",
    "basic-ftp",
    "knex",
    "mustache",
    "nodemailer",
  ];
  const names = Object.keys(manifest.dependencies);
  expect(names.filter((name) => !agreed.includes(name))).toEqual([]);
  for (const name of Object.keys(manifest.peerDependencies)) {
    expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  }
  // Installed where they can be; what needs one says so where it is not.
  expect(Object.keys(manifest.optionalDependencies)).toEqual(["croner", "libsql"]);
});

test("nobody packs or publishes it without its build", () => {
  expect(manifest.scripts.prepack).toMatch(/^node scripts\/build\.mjs/);
});

describe("the build", () => {
  beforeAll(ensureBuilt);

  test("has every node that the manifest names, with its editor half, texts and help beside it", () => {
    for (const [type, file] of Object.entries<string>(manifest["node-red"].nodes)) {
      const name = type.replace("delivery-", "");
      const folder = path.join(packageRoot, "dist/nodes", name);
      expect(file).toBe(`dist/nodes/${name}/${name}.js`);
      const beside = [
        `${name}.js`,
        `${name}.html`,
        `locales/en-US/${name}.json`,
        `locales/en-US/${name}.html`,
      ];
      expect(beside.filter((one) => !existsSync(path.join(folder, one)))).toEqual([]);
      const icon = existsSync(path.join(packageRoot, "icons", `${name}.svg`));
      expect(existsSync(path.join(folder, "icons", `${name}.svg`))).toBe(icon);
    }
  });

  test("needs nothing that is not declared", () => {
    const { dependencies, optionalDependencies, peerDependencies } = manifest;
    const declared = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
    const undeclared = new Set<string>();
    const files = readdirSync(path.join(packageRoot, "dist"), { recursive: true, encoding: "utf8" });
    for (const file of files.filter((name) => name.endsWith(".js"))) {
      const code = readFileSync(path.join(packageRoot, "dist", file), "utf8");
      for (const [, specifier = ""] of code.matchAll(/\b(?:require|import)\("([^".][^"]*)"\)/g)) {
        const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
        if (!isBuiltin(specifier) && !declared.includes(name)) undeclared.add(`${file}: ${specifier}`);
      }
    }
    expect([...undeclared]).toEqual([]);
  });
});
