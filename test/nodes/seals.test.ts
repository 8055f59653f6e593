import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FileSpec } from "../../src/lib";
import { createSeals, readSealedFolders } from "../../src/nodes/shared/seals";
import { type Message, useRuntime } from "./support/runtime";
import { credentialsOf, dataSource, ends, ftpConnection, ftpWriter, useServers } from "./support/servers";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "seals-"));
  file = path.join(folder, "orders.csv");
  writeFileSync(file, "secret orders");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const specOf = (changes: Partial<FileSpec> = {}): FileSpec => ({
  ...{ kind: "file", name: "orders.csv", path: file, size: 13, mtimeMs: 1_234.567, inode: 42 },
  ...changes,
});
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value));

describe("a seal", () => {
  const keyFile = () => path.join(folder, "data-distribution", "files.key");

  test("holds after copying and after a restart, and its key is its owner's only", async () => {
    const sealed = createSeals({ keyFile: keyFile(), folders: [] }).seal(specOf());
    const later = createSeals({ keyFile: keyFile(), folders: [] });
    expect(await later.check(copy(sealed), specOf())).toEqual(specOf());
    expect(statSync(keyFile()).mode & 0o777).toBe(0o600);
    expect(readFileSync(keyFile())).toHaveLength(32);
  });

  test("is only on files", async () => {
    const seals = createSeals({ keyFile: keyFile(), folders: [] });
    const text = { kind: "text", name: "a.txt", text: "a" } as const;
    expect(seals.seal(text)).toEqual(text);
    expect(await seals.check(text, text)).toEqual(text);
  });

  test.each<[string, (seal: string) => [given: object, spec: FileSpec]]>([
    ["is missing", () => [{}, specOf()]],
    ["is no text", () => [{ seal: { length: 32 } }, specOf()]],
    ["is cut", (seal) => [{ seal: seal.slice(0, -2) }, specOf()]],
    ["is of another file", (seal) => [{ seal }, specOf({ path: "/etc/passwd" })]],
    ["is of what the file was before", (seal) => [{ seal }, specOf({ mtimeMs: 2_000 })]],
    ["is of a file that another one has replaced", (seal) => [{ seal }, specOf({ inode: 43 })]],
  ])("that %s lets no file through", async (_what, altered) => {
    const seals = createSeals({ keyFile: keyFile(), folders: [] });
    const [given, spec] = altered(seals.seal(specOf()).seal ?? "");
    const said = "seal" in given ? /: its seal does not fit\./ : /: no data source node of this Node-RED has/;
    await expect(seals.check(given, spec)).rejects.toMatchObject({
      kind: "denied",
      message: expect.stringMatching(said),
    });
  });

  test("of another Node-RED lets no file through", async () => {
    const sealed = createSeals({ keyFile: undefined, folders: [] }).seal(specOf());
    const seals = createSeals({ keyFile: keyFile(), folders: [] });
    await expect(seals.check(sealed, specOf())).rejects.toMatchObject({ kind: "denied" });
  });

  test("whose key cannot be kept is not given", () => {
    writeFileSync(path.join(folder, "data-distribution"), "no folder");
    const seals = createSeals({ keyFile: keyFile(), folders: [] });
    expect(() => seals.seal(specOf())).toThrow(/files\.key.* cannot be read or kept \(ENOTDIR\)/);
  });
});

describe("a folder that is allowed", () => {
  const check = (spec: FileSpec) =>
    createSeals({ keyFile: undefined, folders: [path.join(folder, "out")] }).check({}, spec);
  beforeEach(async () => {
    await mkdir(path.join(folder, "out", "deep"), { recursive: true });
    writeFileSync(path.join(folder, "out", "deep", "a.txt"), "a");
    symlinkSync(file, path.join(folder, "out", "link.csv"));
    symlinkSync(folder, path.join(folder, "out", "up"));
    await mkdir(path.join(folder, "outside"));
    writeFileSync(path.join(folder, "outside", "a.txt"), "a");
  });

  test.each(["out/deep/a.txt", "out/deep/../deep/a.txt", "out/not-there.txt"])("has %s", async (name) => {
    const named = specOf({ path: path.join(folder, name) });
    expect(await check(named)).toEqual(named);
  });

  test.each(["orders.csv", "out", "outside/a.txt", "out/../orders.csv", "out/link.csv", "out/up/orders.csv"])(
    "does not have %s",
    async (name) => {
      await expect(check(specOf({ path: `${folder}/${name}` }))).rejects.toMatchObject({ kind: "denied" });
    },
  );

  test.each([
    [{}, []],
    [{ deliveryFiles: {} }, []],
    [{ deliveryFiles: { folders: ["/srv/outgoing", "/"] } }, ["/srv/outgoing", "/"]],
  ])("is what settings.js says: %j", (settings, folders) => {
    expect(readSealedFolders(settings)).toEqual(folders);
  });

  test.each(["/srv", ["outgoing"], [""], [1], null])("is a list of absolute paths, not %j", (folders) => {
    expect(() => readSealedFolders({ deliveryFiles: { folders } })).toThrow(/must be a list of absolute/);
  });
});

describe("a writer", () => {
  const servers = useServers();
  const runtime = useRuntime();
  const load = () =>
    runtime.load(
      [
        ftpConnection(servers),
        dataSource({ kind: "file", path: "{{msg.path}}", wires: [["made"]] }),
        ftpWriter({ wires: [["delivered"], ["failed"]] }),
        ...ends("made", "delivered", "failed"),
      ],
      credentialsOf(servers),
    );
  const made = async (): Promise<Message> => {
    runtime.send("source", { path: file });
    return (await runtime.next("made")).source;
  };

  test("delivers the file that a data source has chosen, however it got there, under another name too", async () => {
    await load();
    const source = { ...copy(await made()), name: "renamed.csv" };
    runtime.send("writer", { source });
    const delivered = await runtime.next("delivered");
    expect(delivered.source).toEqual(source);
    // What one writer has delivered goes on to the next.
    runtime.send("writer", { source: delivered.source });
    await runtime.next("delivered");
    expect(await readFile(path.join(servers.ftp.root, "renamed.csv"), "utf8")).toBe("secret orders");
  });

  test("reads no file that only the message names, and says what to do", async () => {
    await load();
    const { seal } = await made();
    for (const source of [specOf(), { kind: "file", name: "p", path: "/etc/passwd", seal }]) {
      runtime.send("writer", { source });
      expect((await runtime.next("failed")).error).toMatchObject({
        kind: "denied",
        message: expect.stringMatching(
          /data source node.*; or allow its folder in settings\.js, by .*, and start Node-RED again\.$/,
        ),
      });
    }
    expect(runtime.received("delivered")).toEqual([]);
  });
});
