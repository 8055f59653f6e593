import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "../support/built-package";
import { installPackage } from "../support/installed-package";

const run = promisify(execFile);

/** Delivers a text into memory, and prints what came of it. */
const script = `
const files = new Map();
const source = await openSource({ kind: "text", name: "a.txt", text: "hello" }, { spool: undefined });
const writer = createMemoryWriter({ files });
const receipt = await writer.write(
  source,
  { deliveryId: "1", target: "b/a.txt", contentType: undefined, metadata: {}, attributes: {} },
  { signal: new AbortController().signal, onProgress: () => undefined },
);
console.log(receipt.outcome, Buffer.from(files.get("b/a.txt")).toString(), new DeliveryError("denied", "no").kind);
`;

const typedScript = `
import { DeliveryError, type Delivery, type SourceSpec, type Writer } from "@data-distribution/node-red/lib";
import { createFtpConnection, createS3Writer, createSftpConnection, createSftpWriter, renderTemplate } from "@data-distribution/node-red/lib";

export const spec: SourceSpec = { kind: "text", name: "a.txt", text: "hello" };
export const text: string = renderTemplate("{{yyyy}}", { now: new Date() });
export function targetOf(delivery: Delivery): string {
  if (delivery.state === "gave-up") throw new DeliveryError("rejected", "no");
  return delivery.target;
}
export const writerOf: (...args: Parameters<typeof createS3Writer>) => Writer = createS3Writer;
export type Connection = ReturnType<typeof createFtpConnection>;
export const sftpWriterOf = (...[connection]: [ReturnType<typeof createSftpConnection>]) =>
  createSftpWriter(connection, {} as Parameters<typeof createSftpWriter>[1]);
// @ts-expect-error: a spec without a kind is none
export const wrong: SourceSpec = { name: "a.txt", text: "hello" };
`;

describe("the library, installed from the tarball, without Node-RED", () => {
  let folder: string;

  beforeAll(async () => {
    const installed = await installPackage();
    folder = mkdtempSync(path.join(tmpdir(), "consumer-"));
    symlinkSync(path.join(installed.folder, "node_modules"), path.join(folder, "node_modules"));
  }, 180_000);

  afterAll(() => rmSync(folder, { recursive: true }));

  const names = "createMemoryWriter, DeliveryError, openSource";

  test("a CommonJS script requires it", async () => {
    const code = `const { ${names} } = require("@data-distribution/node-red/lib"); (async () => { ${script} })();`;
    writeFileSync(path.join(folder, "script.cjs"), code);
    const { stdout } = await run(process.execPath, ["script.cjs"], { cwd: folder });
    expect(stdout).toBe("delivered hello denied\n");
  });

  test("an ES module imports it by name", async () => {
    const code = `import { ${names} } from "@data-distribution/node-red/lib"; ${script}`;
    writeFileSync(path.join(folder, "script.mjs"), code);
    const { stdout } = await run(process.execPath, ["script.mjs"], { cwd: folder });
    expect(stdout).toBe("delivered hello denied\n");
  });

  test("without the packages for SFTP and MongoDB it says what to install", async () => {
    const code = `
      const { createMongoStore, readMongoStoreOptions, createSftpConnection, createSftpWriter, openSource, readSftpConnectionOptions, readSftpWriterOptions } =
        require("@data-distribution/node-red/lib");
      (async () => {
        const settings = { host: "127.0.0.1", user: "me", password: "p", hostKeys: "SHA256:" + "A".repeat(43) };
        const writer = createSftpWriter(
          createSftpConnection(readSftpConnectionOptions(settings)),
          readSftpWriterOptions({}),
        );
        const source = await openSource({ kind: "text", name: "a.txt", text: "hello" }, { spool: undefined });
        const request = { deliveryId: "1", target: "a.txt", contentType: undefined, metadata: {}, attributes: {} };
        const context = { signal: new AbortController().signal, onProgress: () => undefined };
        await writer.write(source, request, context).catch(({ kind, message }) => console.log(kind, message));
        const store = createMongoStore(readMongoStoreOptions({ host: "127.0.0.1", database: "deliveries" }));
        await store.counts().catch(({ kind, message }) => console.log(kind, message));
      })();`;
    // The installed package lies below this checkout, which has them: what it needs to load is copied away.
    const bare = path.join(folder, "bare");
    for (const name of ["@data-distribution/node-red", "mustache"]) {
      const from = realpathSync(path.join(folder, "node_modules", name));
      cpSync(from, path.join(bare, "node_modules", name), { recursive: true });
    }
    writeFileSync(path.join(bare, "sftp.cjs"), code);
    const { stdout } = await run(process.execPath, ["sftp.cjs"], { cwd: bare });
    expect(stdout).toBe(
      "invalid The package ssh2 is needed to deliver by SFTP. Install it beside this one (npm install ssh2), and start this program again.\n" +
        "local The package mongodb is needed to keep deliveries in MongoDB. Install it beside this one (npm install mongodb), and start this program again.\n",
    );
  });

  test("its types need no package that only some have", () => {
    const root = path.join(folder, "node_modules/@data-distribution/node-red");
    const { peerDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
    const files = new Set([path.join(root, "dist/lib/index.d.ts")]);
    const packages = new Set<string>();
    for (const file of files) {
      for (const [, name = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"([^"]+)"/g)) {
        const found = [`${name}.d.ts`, `${name}/index.d.ts`].map((one) => path.join(path.dirname(file), one));
        if (name.startsWith(".")) files.add(found.find((one) => existsSync(one)) ?? `${file}: ${name}`);
        else packages.add(name);
      }
    }
    expect(files.size).toBeGreaterThan(50);
    expect(Object.keys(peerDependencies).filter((name) => packages.has(name))).toEqual([]);
  });

  test("there is no other door", async () => {
    const code = `require("@data-distribution/node-red/dist/lib/errors.js");`;
    const attempt = run(process.execPath, ["-e", code], { cwd: folder });
    await expect(attempt).rejects.toThrow("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });

  test.each(["cts", "mts"])(
    "TypeScript checks a strict .%s against its types, and these, too",
    async (extension) => {
      const project = path.join(folder, extension);
      mkdirSync(project);
      writeFileSync(path.join(project, `consumer.${extension}`), typedScript);
      const tsc = path.join(packageRoot, "node_modules/typescript/bin/tsc");
      const types = path.join(packageRoot, "node_modules/@types");
      const options = ["--strict", "--noEmit", "--module", "node16", "--target", "es2022"];
      const args = [...options, "--typeRoots", types, "--types", "node", `consumer.${extension}`];
      const { stdout } = await run(process.execPath, [tsc, ...args], { cwd: project }).catch(
        (error) => error,
      );
      expect(stdout).toBe("");
    },
  );
});
