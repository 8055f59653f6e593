import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
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

/** Flows and credentials are files of their own. */
export async function writeUserFolder(userDir: string, flows: readonly FlowNode[]): Promise<void> {
  await mkdir(userDir);
  const secrets = flows.flatMap(({ id, credentials }) => (credentials ? [[id, credentials]] : []));
  const bare = flows.map(({ credentials: _, ...node }) => node);
  await writeFile(join(userDir, "flows.json"), JSON.stringify(bare, null, 2));
  await writeFile(join(userDir, "flows_cred.json"), JSON.stringify(Object.fromEntries(secrets)));
}

/** As in settings.js. */
export function settingsOf(userDir: string): object {
  return {
    userDir,
    // Not a link below userDir: npm removes that as soon as somebody installs another package there.
    nodesDir: packageRoot,
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
