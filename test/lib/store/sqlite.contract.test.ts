import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { createSqliteStore } from "../../../src/lib/store/sqlite/store";
import { describeStoreContract } from "./contract";

const folder = mkdtempSync(path.join(tmpdir(), "sqlite-store-"));
let files = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeStoreContract({
  name: "sqlite",
  createStore: ({ now }) => createSqliteStore({ now, file: path.join(folder, `${++files}.sqlite`) }),
  openAgain: ({ now }) => createSqliteStore({ now, file: path.join(folder, `${files}.sqlite`) }),
});
