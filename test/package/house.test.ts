import { execFile } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "../support/built-package";

const run = promisify(execFile);

function sourcesBelow(folder: string): { file: string; code: string }[] {
  const names = readdirSync(path.join(packageRoot, folder), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.join(folder, name))
    .map((file) => ({ file, code: readFileSync(path.join(packageRoot, file), "utf8") }));
}

describe("the linter refuses what the house forbids", () => {
  const allowed = "allowed";
  const door = "Nodes know the library by its only door";
  const sideBySide = "Rooms side by side don't import each other";
  const nodeRed = "The library has never heard of Node-RED";
  const sdk = "A client SDK is imported in its own folder";
  const cases: [file: string, imported: string, verdict: string][] = [
    ["src/lib/delivery/x.ts", "node-red", nodeRed],
    ["src/lib/x.ts", "@node-red/util", nodeRed],
    ["src/lib/delivery/x.ts", "../../nodes/shared/engine", nodeRed],
    ["src/lib/writers/new/x.ts", "node-red", nodeRed],
    ["src/lib/notifiers/new/x.ts", "@node-red/util", nodeRed],
    ["src/lib/writers/new/x.ts", "../../../nodes/retry/retry", nodeRed],
    ["src/lib/writers/new/x.ts", "../s3", sideBySide],
    ["src/lib/writers/new/x.ts", "../ftp/errors", sideBySide],
    ["src/lib/writers/new/deep/x.ts", "../../ftp/errors", sideBySide],
    ["src/lib/writers/new/x.ts", "../../delivery/runner", sideBySide],
    ["src/lib/notifiers/new/x.ts", "../mail", sideBySide],
    ["src/lib/writers/new/x.ts", "../target-name", allowed],
    ["src/lib/writers/new/x.ts", "../session-pool", allowed],
    ["src/lib/writers/new/x.ts", "../publication", allowed],
    ["src/lib/writers/new/x.ts", "../../errors", allowed],
    ["src/lib/writers/new/x.ts", "./errors", allowed],
    ["src/lib/writers/new/x.ts", "some-client", allowed],
    ["src/lib/notifiers/new/x.ts", "../../types", allowed],
    ["src/lib/delivery/x.ts", "@aws-sdk/client-s3", sdk],
    ["src/lib/x.ts", "basic-ftp", sdk],
    ["src/lib/x.ts", "ssh2", sdk],
    ["src/lib/store/x.ts", "mongodb", sdk],
    ["src/lib/store/server/x.ts", "bullmq", sdk],
    ["src/nodes/new/x.ts", "ioredis", sdk],
    ["src/lib/store/bullmq/x.ts", "ioredis", allowed],
    ["src/lib/store/bullmq/x.ts", "node-red", nodeRed],
    ["src/lib/delivery/x.ts", "nodemailer/lib/mailer", sdk],
    ["src/nodes/new/x.ts", "nodemailer", sdk],
    ["src/nodes/new/x.ts", "@aws-sdk/client-s3", sdk],
    ["src/nodes/new/x.ts", "../../lib/errors", door],
    ["src/nodes/shared/x.ts", "../../lib/writers/s3", door],
    ["src/nodes/new/x.ts", "../retry/retry", sideBySide],
    ["src/nodes/shared/x.ts", "../retry/retry", sideBySide],
    ["src/nodes/new/x.ts", "../../lib", allowed],
    ["src/nodes/new/x.ts", "../shared/engine", allowed],
    ["src/nodes/new/x.ts", "node-red", allowed],
    ["src/nodes/shared/x.ts", "./engine", allowed],
  ];
  const complaints = new Map<string, string[]>();

  beforeAll(async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "house-"));
    copyFileSync(path.join(packageRoot, "biome.json"), path.join(folder, "biome.json"));
    cases.forEach(([file, imported], index) => {
      const probe = path.join(folder, file.replace("x.ts", `x${index}.ts`));
      mkdirSync(path.dirname(probe), { recursive: true });
      writeFileSync(probe, `import type { A } from "${imported}";\nexport type B = A;\n`);
    });
    const biome = path.join(packageRoot, "node_modules/@biomejs/biome/bin/biome");
    const lint = [biome, "lint", "--vcs-enabled=false", "--reporter=json", "--max-diagnostics=none", "src"];
    const { stdout } = await run(process.execPath, lint, { cwd: folder }).catch((error) => error);
    rmSync(folder, { recursive: true });
    for (const { message, location } of JSON.parse(stdout).diagnostics) {
      complaints.set(location.path, [...(complaints.get(location.path) ?? []), message]);
    }
  });

  test.each(cases)("%s importing %s: %s", (file, imported, verdict) => {
    const index = cases.findIndex((entry) => entry[0] === file && entry[1] === imported);
    const said = complaints.get(file.replace("x.ts", `x${index}.ts`)) ?? [];
    if (verdict === allowed) expect(said).toEqual([]);
    else expect(said.map((message) => message.slice(0, verdict.length))).toContain(verdict);
  });
});

test("the library does not even mention Node-RED's packages", () => {
  const mentions = sourcesBelow("src/lib").filter(({ code }) => /node-red/.test(code));
  expect(mentions.map(({ file }) => file)).toEqual([]);
});

test("every package that the library uses is used in one folder only", () => {
  const users = new Map<string, Set<string>>();
  for (const { file, code } of sourcesBelow("src/lib")) {
    for (const [, specifier] of code.matchAll(/(?:from|import\(|require\()\s*"([^"]+)"/g)) {
      const name = /^(@[^/]+\/[^/]+|[^./][^/]*)/.exec(specifier ?? "")?.[1];
      if (!name || name.startsWith("node:")) continue;
      users.set(name, (users.get(name) ?? new Set()).add(path.dirname(file)));
    }
  }
  const shared = [...users].filter(([, folders]) => folders.size > 1);
  expect(shared.map(([name, folders]) => `${name}: ${[...folders].join(", ")}`)).toEqual([]);
  expect([...users.keys()]).toContain("basic-ftp");
});

test("files stay small enough to be read, and nothing is named after nothing", () => {
  const files = ["src", "test", "demo", "bench"].flatMap(sourcesBelow);
  const long = files.filter(({ code }) => code.split("\n").length > 301);
  expect(long.map(({ file }) => file)).toEqual([]);
  const vague = files.filter(({ file }) =>
    /(util|helper|manager|common|misc)s?\b|[A-Z_]/.test(path.basename(file)),
  );
  expect(vague.map(({ file }) => file)).toEqual([]);
});

test("no test is switched off", () => {
  const switchedOff = /\b(?:test|it|describe)\.(?:skip|todo|only|fails)\b/;
  const files = sourcesBelow("test").filter(
    ({ file, code }) => !__filename.endsWith(file) && switchedOff.test(code),
  );
  expect(files.map(({ file }) => file)).toEqual([]);
});
