import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Brings `dist` up to date, once, before the tests that look at it. */
export function setup(): void {
  execFileSync(process.execPath, [join(__dirname, "../../scripts/build.mjs"), "--if-stale"], {
    stdio: "inherit",
  });
}
