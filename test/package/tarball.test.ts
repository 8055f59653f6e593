import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot, packTarball, type Tarball } from "../support/built-package";

describe("the tarball", () => {
  let folder: string;
  let tarball: Tarball;
  let names: string[];

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "tarball-"));
    tarball = await packTarball(folder);
    names = tarball.files.map((file) => file.path);
    execFileSync("tar", ["-xzf", tarball.path, "-C", folder]);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test("has what users need, and nothing else at its top", () => {
    expect([...new Set(names.map((name) => name.split("/")[0]))].sort()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist",
      "examples",
      "icons",
      "package.json",
      "resources",
    ]);
  });

  test("has neither tests nor sources nor maps", () => {
    expect(names.filter((name) => /\.test\.|\.map$|tsbuildinfo|(^|\/)\./.test(name))).toEqual([]);
    expect(names.filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"))).toEqual([]);
    const code = names.filter((name) => name.endsWith(".js")).map(textOf);
    expect(code.filter((text) => text.includes("sourceMappingURL"))).toEqual([]);
  });

  test("tells nothing about the machine that built it", () => {
    const texts = names.filter((name) => !name.endsWith(".png"));
    const telling = texts.filter((name) => textOf(name).includes(packageRoot));
    expect(telling).toEqual([]);
  });

  test("is small", () => {
    expect(tarball.size).toBeLessThan(1_000_000);
  });

  const textOf = (name: string) => readFileSync(path.join(folder, "package", name), "utf8");
});
