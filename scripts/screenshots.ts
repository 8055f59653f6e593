// Writes pictures of every dialog, of the help, of the palette and of a running flow to .cache/screenshots:
// `npx tsx scripts/screenshots.ts [part of a runtime's name or of a picture's] …`. For people to look at.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { startFtpServer } from "../demo/servers/ftp";
import { startS3Server } from "../demo/servers/s3";
import { launchBrowser, openEditor } from "../test/support/browser";
import { packageRoot } from "../test/support/built-package";
import { type FlowNode, type NodeRedProcess, startNodeRed } from "../test/support/node-red-process";
import { provideRuntime, type RuntimeName } from "../test/support/runtimes";
import { showcaseFlow } from "./screenshot-flow";

const looks: { runtime: RuntimeName; theme: "light" | "dark" }[] = [
  { runtime: "node-red-4", theme: "light" },
  { runtime: "node-red-5", theme: "light" },
  { runtime: "node-red-5", theme: "dark" },
];
const wanted = process.argv.slice(2);

async function main(): Promise<void> {
  const [s3, ftp] = [await startS3Server(), await startFtpServer({ user: "partner", password: "secret" })];
  s3.createBucket("reports");
  const flow = showcaseFlow({ s3, ftp });
  const browser = await launchBrowser();
  try {
    for (const name of new Set(looks.map(({ runtime }) => runtime))) {
      const nodeRed = await startNodeRed({ runtime: await provideRuntime(name), flows: flow });
      try {
        for (const { theme } of looks.filter(({ runtime }) => runtime === name)) {
          const look = `${name}-${theme}`;
          if (wanted.length > 0 && !wanted.some((part) => look.includes(part))) continue;
          const { page, problems } = await openEditor(browser, nodeRed.url, { theme });
          await takeAll(page, nodeRed, flow, join(packageRoot, ".cache/screenshots", look));
          for (const problem of problems) console.error(`${look}: ${problem}`);
          await page.context().close();
        }
      } finally {
        await nodeRed.stop();
      }
    }
  } finally {
    await browser.close();
    await Promise.all([s3.close(), ftp.close()]);
  }
}

async function takeAll(page: Page, nodeRed: NodeRedProcess, flow: readonly FlowNode[], folder: string) {
  mkdirSync(folder, { recursive: true });
  const take = (name: string, part?: string) =>
    (part ? page.locator(part).last() : page).screenshot({ path: join(folder, `${name}.png`) });
  await nodeRed.inject("inject");
  await nodeRed.waitForStatus("s3-writer", ({ text = "" }) => text.startsWith("delivered"));
  await page.locator("#red-ui-workspace-chart", { hasText: "delivered" }).waitFor();
  await take("flow");
  await page.locator('[data-palette-type="delivery-notify"]').scrollIntoViewIfNeeded();
  await take("palette", "#red-ui-palette-container");
  for (const { id, type } of flow) {
    if (!type.startsWith("delivery-")) continue;
    await openDialog(page, id, type);
    await take(id, ".red-ui-tray");
    await unfold(page);
    await take(`${id}-unfolded`, ".red-ui-tray");
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.locator("#node-dialog-cancel, #node-config-dialog-cancel").last().click();
    await page.locator(".red-ui-tray").first().waitFor({ state: "detached" });
  }
  for (const { id, type } of flow) {
    if (type.startsWith("delivery-")) {
      await page.setViewportSize({ width: 1440, height: 1900 });
      await page.evaluate(`RED.sidebar.help.show(${JSON.stringify(type)})`);
      await page.waitForTimeout(300);
      await take(`help-${id}`, ".red-ui-sidebar-help-stack");
    }
  }
}

async function openDialog(page: Page, id: string, type: string): Promise<void> {
  const open = /-(connection|store)$/.test(type)
    ? `RED.editor.editConfig("", ${JSON.stringify(type)}, ${JSON.stringify(id)})`
    : `RED.editor.edit(RED.nodes.node(${JSON.stringify(id)}))`;
  await page.evaluate(open);
  await page.locator(".dd-form").waitFor();
  // It slides in.
  await page.waitForTimeout(700);
}

async function unfold(page: Page): Promise<void> {
  await page.evaluate(`for (const one of document.querySelectorAll(".dd-form details")) one.open = true`);
  // The page grows, so that all of a long dialog is in one picture.
  await page.setViewportSize({ width: 1440, height: 1500 });
  await page.waitForTimeout(300);
}

void main();
