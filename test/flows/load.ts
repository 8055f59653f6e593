import { createCipheriv, createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createSqliteStore, type Delivery } from "../../src/lib";
import { type Target, targets } from "./two-targets-flow";

/** One delivery that a test asks for. */
export interface Wanted {
  readonly target: Target;
  /** The name of the file; no two of one target have the same. */
  readonly name: string;
  readonly bytes: number;
}

const mebibyte = 1024 * 1024;

/** Most are small, some go through the spool, and one of 32 goes to S3 in parts. */
export function wantedDeliveries(count: number, random: () => number): Wanted[] {
  return Array.from({ length: count }, (_, n) => {
    const target = targets[n % targets.length] as Target;
    const name = `${String(n).padStart(5, "0")}.bin`;
    const bytes =
      n % 64 === 32
        ? Math.round((5.2 + random()) * mebibyte)
        : Math.round(random() ** 3 * (n % 3 === 0 ? 600_000 : 60_000));
    return { target, name, bytes };
  });
}

/** The same bytes for the same name, and other ones for another. */
export function contentOf({ name, bytes }: Wanted): Buffer {
  const key = createHash("sha256").update(name).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Gives it to the flow. Rejects when Node-RED is killed meanwhile: then nobody knows whether it was taken. */
export async function post(url: string, wanted: Wanted): Promise<void> {
  const response = await fetch(`${url}/http/${wanted.target}/${wanted.name}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: new Uint8Array(contentOf(wanted)),
  });
  await response.arrayBuffer();
  if (response.status !== 202) throw new Error(`The flow answered ${response.status}.`);
}

/** All that the store in a user folder keeps, while no Node-RED has it open. */
export async function keptDeliveries(userDir: string): Promise<Delivery[]> {
  const store = createSqliteStore({
    file: join(userDir, "data-distribution/deliveries.sqlite"),
    onNotice: (notice) => {
      throw new Error(notice);
    },
  });
  const kept: Delivery[] = [];
  try {
    let after: string | undefined;
    do {
      const page = await store.list({}, { limit: 500, ...(after !== undefined && { after }) });
      kept.push(...page.deliveries);
      after = page.next;
    } while (after !== undefined);
  } finally {
    await store.close();
  }
  return kept;
}

/** Every file below a folder, as paths that are relative to it. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries: Dirent[] = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
