import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./built-package";
import type { FlowNode } from "./node-red-process";

export interface Example {
  /** As Import → Examples lists it. */
  name: string;
  text: string;
  flow: FlowNode[];
}

export function readExamples(): Example[] {
  const folder = join(packageRoot, "examples");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => {
      const text = readFileSync(join(folder, file), "utf8");
      return { name: file.replace(/\.json$/, ""), text, flow: JSON.parse(text) };
    });
}
