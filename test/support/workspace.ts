import type { Locator, Page } from "playwright-core";

/** A node in the open flow, as a person sees it. */
export interface PlacedNode {
  readonly id: string;
  readonly locator: Locator;
}

export interface Point {
  x: number;
  y: number;
}

export function nodeOf(page: Page, id: string): PlacedNode {
  return { id, locator: page.locator(`.red-ui-flow-node-group[id="${id}"]`) };
}

/** Drags a node out of the palette with the mouse and drops it at a point of the page. */
export async function dragFromPalette(page: Page, type: string, to: Point): Promise<PlacedNode> {
  const before = await nodeIds(page);
  const entry = page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
  await entry.scrollIntoViewIfNeeded();
  await dragTo(page, await centreOf(entry), to);
  for (const id of await nodeIds(page)) if (!before.includes(id)) return nodeOf(page, id);
  throw new Error(`Dropping ${type} placed no node.`);
}

async function nodeIds(page: Page): Promise<string[]> {
  return page.locator(".red-ui-flow-node-group").evaluateAll((nodes) => nodes.map(({ id }) => id));
}

/** Drags a wire from an output (counted from 0) to the other node's input. */
export async function wire(page: Page, from: PlacedNode, output: number, to: PlacedNode): Promise<void> {
  const links = page.locator(".red-ui-flow-link");
  const before = await links.count();
  const port = from.locator.locator(".red-ui-flow-port-output .red-ui-flow-port").nth(output);
  const input = to.locator.locator(".red-ui-flow-port-input .red-ui-flow-port");
  await dragTo(page, await centreOf(port), await centreOf(input));
  await links.nth(before).waitFor({ state: "attached" });
}

async function dragTo(page: Page, from: Point, to: Point): Promise<void> {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  // Several moves: the editor takes one for a trembling hand.
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 5 });
  await page.mouse.move(to.x, to.y, { steps: 5 });
  await page.mouse.up();
}

async function centreOf(locator: Locator): Promise<Point> {
  const box = await locator.boundingBox();
  if (!box) throw new Error(`${locator} is not to be seen.`);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Opens a node's dialog by a double click, lets `fill` work in it, and presses Done. */
export async function edit(page: Page, node: PlacedNode, fill: () => Promise<void>): Promise<void> {
  await node.locator.locator(".red-ui-flow-node").dblclick();
  await inDialog(page, "#node-dialog-ok", fill);
}

/** Adds a connection from the open dialog of a node. */
export async function addConnection(page: Page, fill: () => Promise<void>): Promise<void> {
  await page.locator("#node-input-btn-connection-add").click();
  await inDialog(page, "#node-config-dialog-ok", fill);
}

async function inDialog(page: Page, doneButton: string, fill: () => Promise<void>): Promise<void> {
  const done = page.locator(doneButton);
  await done.waitFor();
  await fill();
  await done.click();
  await done.waitFor({ state: "detached" });
}

/** Fills fields of the open dialog by their labels' fields: text inputs, choices and ticks. */
export async function fillIn(
  page: Page,
  kind: "node" | "config",
  values: Record<string, string | boolean>,
): Promise<void> {
  const prefix = kind === "node" ? "#node-input-" : "#node-config-input-";
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(prefix + name);
    if (typeof value === "boolean") await field.setChecked(value);
    else if ((await field.evaluate(({ nodeName }) => nodeName)) === "SELECT") await field.selectOption(value);
    else {
      await field.fill(value);
      // The editor looks at a value when the field is left.
      await field.blur();
    }
  }
}

/** Presses Deploy and waits until the editor says that it is done. */
export async function deploy(page: Page): Promise<void> {
  await Promise.all([
    page.waitForResponse(
      (response) => response.url().endsWith("/flows") && response.request().method() === "POST",
    ),
    page.locator("#red-ui-header-button-deploy").click(),
  ]);
  await page.locator("#red-ui-header-button-deploy.disabled").waitFor();
}
