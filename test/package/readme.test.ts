import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type S3Server, startS3Server } from "../../demo/servers/s3";
import {
  type Attempt,
  decideRetry,
  type ErrorKind,
  errorKinds,
  renderTemplate,
  standardPolicy,
} from "../../src/lib";
import { packageRoot } from "../support/built-package";
import { loadEditorHalf, nodeFolders } from "../support/editor-half";

const run = promisify(execFile);
const read = (...parts: string[]) => readFileSync(path.join(packageRoot, ...parts), "utf8");
const readme = read("README.md");

/** What is between a heading and the next one of its rank. */
function section(heading: string): string {
  const rank = /^#+/.exec(heading)?.[0] ?? "";
  const start = readme.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`README.md has no heading "${heading}".`);
  const rest = readme.slice(start + heading.length + 2);
  return rest.slice(0, rest.search(new RegExp(`^#{1,${rank.length}} `, "m")) >>> 0);
}

/** The rows of a section's first table, without its head. */
function rows(heading: string): string[][] {
  const lines = section(heading).split("\n");
  const table = lines.slice(lines.findIndex((line) => line.startsWith("|")));
  return table
    .slice(
      2,
      table.findIndex((line) => !line.startsWith("|")),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
}

const inCode = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? "");

/** The fields of an interface that is written out in a source file. */
function fieldsOf(file: string, name: string): string[] {
  const body = new RegExp(`interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(read(file))?.[1] ?? "";
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, field]) => field ?? "");
}

describe("the README tells of everything there is", () => {
  test.each(nodeFolders)("the node %s", (folder) => {
    expect(section("## The nodes")).toContain(`**${loadEditorHalf(folder).definition.paletteLabel}**`);
  });

  test.each([
    ["### msg.delivery", "src/lib/delivery/receipt.ts", "DeliveryRecord"],
    ["### msg.error", "src/lib/errors.ts", "ErrorRecord"],
  ])("%s has the fields of %s", (heading, file, name) => {
    const fields = fieldsOf(file, name);
    expect(fields.length).toBeGreaterThan(5);
    const told = rows(heading).flatMap(([cell = ""]) => inCode(cell));
    expect(told).toEqual(expect.arrayContaining(fields));
  });

  test("every field of a source", () => {
    const names = ["SpecBase", "TextSpec", "BytesSpec", "FileSpec", "SpoolSpec"];
    const fields = new Set(names.flatMap((name) => fieldsOf("src/lib/types.ts", name)));
    expect(fields).toContain("sha256");
    const told = rows("### msg.source").flatMap(([cell = ""]) => inCode(cell));
    expect([...fields].filter((field) => !told.includes(field))).toEqual([]);
  });

  test("every field of an attempt, and every state", () => {
    const table = new Map(rows("### msg.delivery").map(([name = "", text = ""]) => [inCode(name)[0], text]));
    const fields = fieldsOf("src/lib/delivery/receipt.ts", "AttemptRecord");
    expect(inCode(table.get("attempts") ?? "")).toEqual(expect.arrayContaining(fields));
    const union = /type DeliveryState =\n([\s\S]*?);/.exec(read("src/lib/types.ts"))?.[1] ?? "";
    const states = [...union.matchAll(/"([\w-]+)"/g)].map(([, state]) => state ?? "");
    expect(states).toContain("gave-up");
    expect(inCode(table.get("state") ?? "")).toEqual(expect.arrayContaining(states));
  });
});

describe("the README tells of failures what the code does", () => {
  const table = new Map(
    rows("## When something fails").map(([kind = "", ...rest]) => [inCode(kind)[0], rest]),
  );

  test("every kind has a row, and no other", () => {
    expect([...table.keys()]).toEqual([...errorKinds]);
  });

  /** How many attempts of an error that comes again and again the standard policy makes, if it ends at all. */
  function attemptsOf(kind: ErrorKind): number {
    const error = { kind, message: "", retryable: true };
    const attempts: Attempt[] = [];
    do attempts.push({ n: attempts.length + 1, startedAt: 0, elapsedMs: 0, error });
    while (attempts.length < 50 && decideRetry(standardPolicy, { attempts, error, elapsedMs: 0 }).retry);
    return attempts.length;
  }

  test.each(errorKinds)("%s", (kind) => {
    const said = table.get(kind)?.[2] ?? "";
    const made = attemptsOf(kind);
    if (made === 1) expect(said).toBe("no");
    else if (made === standardPolicy.attempts) expect(said).toBe("yes");
    else if (made < standardPolicy.attempts) expect(said).toBe(`yes, ${made} attempts at most`);
    else expect(said).toBe("yes, not counted");
  });

  test("the standard waits", () => {
    const error = { kind: "unavailable" as const, message: "", retryable: true };
    const attempts = Array.from({ length: 5 }, (_, n) => ({ n: n + 1, startedAt: 0, elapsedMs: 0, error }));
    const waits = attempts.map((_, made) => {
      const situation = { attempts: attempts.slice(0, made + 1), error, elapsedMs: 0 };
      const decision = decideRetry(standardPolicy, situation, () => 0.5);
      return decision.retry ? decision.delayMs / 60_000 : undefined;
    });
    expect(waits).toEqual([0.5, 1, 2, 4, 8]);
    expect(section("## The nodes")).toContain("6 attempts with waits of 30 s, 1, 2, 4 and 8 min");
  });
});

test("every template in the table can be filled", () => {
  const templates = rows("## Templates").flatMap(([cell = ""]) => inCode(cell));
  expect(templates).toContain("{{isoDate}}");
  const view = {
    msg: { topic: "a" },
    metadata: { title: "a" },
    source: { name: "a" },
    delivery: { location: "a" },
    env: { NAME: "a" },
    flow: { name: "a" },
    global: { name: "a" },
    now: new Date("2026-11-24T12:00:00Z"),
  };
  for (const template of templates) expect(renderTemplate(template, view), template).not.toBe("");
});

test("the first flow speaks as the dialogs do", () => {
  const texts = new Set(nodeFolders.flatMap((folder) => Object.values(loadEditorHalf(folder).texts)));
  const labels = nodeFolders.map((folder) => loadEditorHalf(folder).definition.paletteLabel);
  const nodeReds = ["inject", "data distribution", "Done", "Add", "Deploy"];
  const said = [...section("## Your first flow").matchAll(/\*\*([^*]+)\*\*/g)].map(([, text]) => text ?? "");
  expect(said.length).toBeGreaterThan(20);
  expect(said.filter((text) => ![...texts, ...labels, ...nodeReds].includes(text))).toEqual([]);
});

describe("what the README names exists", () => {
  test("links and pictures", () => {
    const targets = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target ?? "");
    const headings = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => `#${anchorOf(text)}`);
    const lost = targets
      .filter((target) => !/^https?:/.test(target))
      .filter((target) =>
        target.startsWith("#") ? !headings.includes(target) : !existsSync(path.join(packageRoot, target)),
      );
    expect(lost).toEqual([]);
  });

  test("folders and files", () => {
    const code = inCode(section("## The house") + section("## Adding a writer") + section("## Benches"));
    const named = code
      .map((text) => text.replace(/^npx tsx /, "").replace(/<name>\/$/, ""))
      .filter((text) => /^(src|test|demo|bench|resources|icons|examples|scripts|biome)\b[\w/.-]*$/.test(text))
      .filter((text) => !text.includes("dav"));
    expect(named.length).toBeGreaterThan(12);
    expect(named.filter((name) => !existsSync(path.join(packageRoot, name)))).toEqual([]);
  });

  test("the packages that the tests need are those that continuous integration installs", () => {
    const [, told = ""] = /^apt-get install (.+)$/m.exec(readme) ?? [];
    const needed = [...read(".ci/run").matchAll(/^ {2}\[([\w-]+)\]=/gm)].map(([, name]) => name);
    expect(told.split(" ")).toEqual(needed);
  });
});

/** As GitHub makes one of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .replaceAll(" ", "-");
}

describe("the README's program", () => {
  let server: S3Server;
  let folder: string;
  const tool = (name: string) => path.join(packageRoot, "node_modules", name);

  beforeAll(async () => {
    server = await startS3Server();
    // Below the package, so that it finds the same packages.
    await mkdir(path.join(packageRoot, ".cache"), { recursive: true });
    folder = await mkdtemp(path.join(packageRoot, ".cache/readme-"));
    const [, program = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? [];
    await writeFile(path.join(folder, "program.ts"), program);
    const paths = { "@data-distribution/node-red/lib": [path.join(packageRoot, "src/lib/index.ts")] };
    const config = { extends: "../../tsconfig.json", compilerOptions: { paths }, include: ["program.ts"] };
    await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify(config));
  });

  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  test("is what the compiler takes", async () => {
    const checked = await run(process.execPath, [tool("typescript/bin/tsc"), "-p", folder]).catch(
      (error: { stdout: string }) => error,
    );
    expect(checked.stdout).toBe("");
  });

  test("delivers", async () => {
    const { endpoint, accessKeyId, secretAccessKey } = server;
    const { stdout } = await run(process.execPath, [tool("tsx/dist/cli.mjs"), "program.ts"], {
      cwd: folder,
      env: {
        ...process.env,
        TMPDIR: folder,
        S3_ENDPOINT: endpoint,
        S3_ACCESS_KEY_ID: accessKeyId,
        S3_SECRET_ACCESS_KEY: secretAccessKey,
      },
    });
    expect(stdout).toBe("delivered s3://reports/2026/hello.txt checksum\n");
    expect((await server.read("reports", "2026/hello.txt"))?.toString()).toBe("Hello\n");
  });
});
