import { randomUUID } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
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

/** The package is linked, as `npm install <folder>` does it; flows and credentials are files of their own. */
export async function writeUserFolder(userDir: string, flows: readonly FlowNode[]): Promise<void> {
  const modules = join(userDir, "node_modules/@data-distribution");
  await mkdir(modules, { recursive: true });
  await symlink(packageRoot, join(modules, "node-red"), "junction");
  const secrets = flows.flatMap(({ id, credentials }) => (credentials ? [[id, credentials]] : []));
  const bare = flows.map(({ credentials: _, ...node }) => node);
  await writeFile(join(userDir, "flows.json"), JSON.stringify(bare, null, 2));
  await writeFile(join(userDir, "flows_cred.json"), JSON.stringify(Object.fromEntries(secrets)));
}

/** As in settings.js. */
export function settingsOf(userDir: string): object {
  return {
    userDir,
    flowFile: "flows.json",
    // What people type into the connections while they play is not stored as it is.
    credentialSecret: randomUUID(),
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
