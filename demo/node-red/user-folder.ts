import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A node, tab, group or config node as flow files have it. */
export interface FlowNode {
  id: string;
  type: string;
  name?: string;
  z?: string;
  credentials?: Record<string, string>;
}

const packageRoot = join(__dirname, "../..");

/** Where the nodes keep their deliveries. */
export function storeFileOf(demoFolder: string): string {
  return join(userFolderOf(demoFolder), "data-distribution/deliveries.sqlite");
}

export function userFolderOf(demoFolder: string): string {
  return join(demoFolder, "node-red");
}

/** Flows and credentials are files of their own. Those that are there already may have been changed in the editor. */
export async function writeUserFolder(userDir: string, flows: readonly FlowNode[]): Promise<void> {
  if (existsSync(join(userDir, "flows.json"))) return;
  await mkdir(userDir);
  const secrets = flows.flatMap(({ id, credentials }) => (credentials ? [[id, credentials]] : []));
  const bare = flows.map(({ credentials: _, ...node }) => node);
  await writeFile(join(userDir, "flows.json"), JSON.stringify(bare, null, 2));
  await writeFile(join(userDir, "flows_cred.json"), JSON.stringify(Object.fromEntries(secrets)));
}

/** What people type into the connections while they play is not stored as it is. */
async function credentialSecretOf(userDir: string): Promise<string> {
  const file = join(userDir, "credential-secret");
  const kept = await readFile(file, "utf8").catch(() => undefined);
  if (kept) return kept;
  const secret = randomUUID();
  await writeFile(file, secret, { mode: 0o600 });
  return secret;
}

/** As in settings.js. */
export async function settingsOf(userDir: string): Promise<object> {
  return {
    userDir,
    // Not a link below userDir: npm removes that as soon as somebody installs another package there.
    nodesDir: packageRoot,
    flowFile: "flows.json",
    credentialSecret: await credentialSecretOf(userDir),
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: {
      tours: false,
      projects: { enabled: false },
      page: { title: "Data distribution: the demo" },
      header: { title: "Data distribution: the demo" },
    },
    logging: { console: { level: "info" } },
  };
}
