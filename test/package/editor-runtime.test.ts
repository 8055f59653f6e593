import type { NodeAPI } from "node-red";
import { expect, test } from "vitest";
import { loadEditorHalf, nodeFolders } from "../support/editor-half";

interface Registration {
  type: string;
  credentials: Record<string, { type: string }> | undefined;
}

/** What a runtime half tells Node-RED while it loads; of the rest of Node-RED only routes can be added. */
async function registrationsOf(folder: string): Promise<Registration[]> {
  const registrations: Registration[] = [];
  const nodes = {
    registerType(type: string, _constructor: unknown, settings?: Pick<Registration, "credentials">) {
      registrations.push({ type, credentials: settings?.credentials });
    },
  };
  const { default: register } = await import(`../../src/nodes/${folder}/${folder}.ts`);
  const routes = { httpAdmin: { get() {}, post() {} }, auth: { needsPermission() {} } };
  register({ nodes, ...routes } as unknown as NodeAPI);
  return registrations;
}

test.each([...nodeFolders])(
  "%s: both halves register the same type with the same credentials",
  async (folder) => {
    const { type, definition } = loadEditorHalf(folder);
    const [registration, ...others] = await registrationsOf(folder);
    expect(others).toEqual([]);
    expect(registration?.type).toBe(type);
    const kinds = (credentials: Record<string, { type: string }> = {}) =>
      Object.fromEntries(Object.entries(credentials).map(([name, credential]) => [name, credential.type]));
    expect(kinds(registration?.credentials)).toEqual(kinds(definition.credentials));
  },
);
