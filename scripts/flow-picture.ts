// Makes the picture of a running story that README.md shows: `npx tsx scripts/flow-picture.ts`.
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openPlayground } from "../demo/playground";
import { launchBrowser, openEditor } from "../test/support/browser";
import { packageRoot } from "../test/support/built-package";
import { readExamples } from "../test/support/examples";
import { startNodeRed } from "../test/support/node-red-process";
import { provideRuntime } from "../test/support/runtimes";

const [story = "one file to s3 and ftp at once", file = "resources/flow.png"] = process.argv.slice(2);

async function main(): Promise<void> {
  const example = readExamples().find(({ name }) => name === story);
  if (!example) throw new Error(`There is no example called "${story}".`);
  const flow = example.flow.filter(({ type }) => type !== "comment");
  const playground = await openPlayground();
  // The demo's server is busy once, so that there is a retry to see. Here it would take half a minute.
  playground.ftp.hook = undefined;
  const nodeRed = await startNodeRed({
    runtime: await provideRuntime("node-red-5"),
    flows: flow,
    env: playground.env,
  });
  const browser = await launchBrowser();
  try {
    const { page } = await openEditor(browser, nodeRed.url, { size: { width: 2000, height: 900 }, scale: 2 });
    const ofType = (part: RegExp) => flow.filter(({ type }) => part.test(type));
    for (const { id } of ofType(/^inject$/)) await nodeRed.inject(id);
    for (const { id } of ofType(/^delivery-.*-writer$/)) {
      await nodeRed.waitForStatus(id, ({ text = "" }) => /^(delivered|failed)/.test(text), 60_000);
    }
    for (const { id } of ofType(/^delivery-notify$/)) {
      await nodeRed.waitForStatus(id, ({ text = "" }) => /^sent/.test(text), 60_000);
    }
    await page.waitForTimeout(1_000);
    await page.screenshot({ path: join(packageRoot, file), clip: await aroundFlow(page) });
    console.log(`${file}: ${Math.round(statSync(join(packageRoot, file)).size / 1_000)} kB`);
  } finally {
    await browser.close();
    await nodeRed.stop();
    await playground.close();
  }
}

async function aroundFlow(page: Page) {
  const margin = 24;
  const parts = page.locator(".red-ui-flow-node-group, .red-ui-flow-group");
  const boxes = (await Promise.all((await parts.all()).map((part) => part.boundingBox()))).flatMap(
    (box) => box ?? [],
  );
  const chart = await page.locator("#red-ui-workspace-chart").boundingBox();
  // To the left of the chart is the palette.
  const x = Math.max(chart?.x ?? 0, Math.min(...boxes.map((box) => box.x)) - margin);
  const y = Math.min(...boxes.map((box) => box.y)) - margin;
  const right = Math.max(...boxes.map((box) => box.x + box.width)) + margin;
  const bottom = Math.max(...boxes.map((box) => box.y + box.height)) + margin;
  return { x, y, width: right - x, height: bottom - y };
}

void main();
