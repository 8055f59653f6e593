import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openPlayground, type Playground } from "../../demo/playground";
import type { S3Server } from "../../demo/servers/s3";
import type { SmtpServer } from "../../demo/servers/smtp";
import { chromiumPath, type EditorPage, launchBrowser, openEditor } from "../support/browser";
import { packageRoot } from "../support/built-package";
import { readExamples } from "../support/examples";
import { type NodeRedProcess, startNodeRed } from "../support/node-red-process";
import { requireTool } from "../support/required";
import { provideRuntime, runtimeNames } from "../support/runtimes";
import {
  addConnection,
  deploy,
  dragFromPalette,
  edit,
  fillIn,
  type PlacedNode,
  wire,
} from "../support/workspace";

const story = "daily customer report";
const canRun = requireTool("Chromium", chromiumPath);

describe.runIf(canRun).each(runtimeNames)("the editor of %s", (runtimeName) => {
  let playground: Playground;
  let s3: S3Server;
  let smtp: SmtpServer;
  let nodeRed: NodeRedProcess;
  let browser: Browser;
  let editor: EditorPage;
  let page: Page;
  let failedStep: string | undefined;
  const nodes = {} as Record<"inject" | "source" | "writer" | "retry" | "notify", PlacedNode>;

  beforeAll(async () => {
    playground = await openPlayground();
    ({ s3, smtp } = playground);
    s3.createBucket("reports");
    nodeRed = await startNodeRed({ runtime: await provideRuntime(runtimeName), env: playground.env });
    browser = await launchBrowser();
    editor = await openEditor(browser, nodeRed.url, { size: { width: 1600, height: 900 } });
    page = editor.page;
  });
  afterAll(async () => {
    await browser?.close();
    await nodeRed?.stop();
    await playground?.close();
  });

  // Each test is a step of one story: without the one before it, the next cannot be.
  beforeEach(({ task, onTestFailed }) => {
    if (failedStep) throw new Error(`"${failedStep}" failed before.`);
    onTestFailed(async () => {
      failedStep = task.name;
      await page?.screenshot({ path: join(packageRoot, `.cache/screenshots/failed-${runtimeName}.png`) });
    });
  });

  test("the palette has a category with all eight nodes", async () => {
    const category = page.locator("#red-ui-palette-container-data_distribution");
    await category.scrollIntoViewIfNeeded();
    expect(await category.locator(".red-ui-palette-header").textContent()).toContain("data distribution");
    const labels = await category.locator(".red-ui-palette-label").allTextContents();
    expect(labels.map((label) => label.replace(/\s+/g, " "))).toEqual([
      "schedule",
      "data source",
      "s3 writer",
      "ftp writer",
      "sftp writer",
      "folder writer",
      "retry",
      "notify",
    ]);
  });

  test("nodes are dragged into the flow and wired", async () => {
    const place = (type: string, x: number, y: number) => dragFromPalette(page, type, { x, y });
    nodes.inject = await place("inject", 380, 200);
    nodes.source = await place("delivery-data-source", 570, 200);
    nodes.writer = await place("delivery-s3-writer", 790, 200);
    nodes.retry = await place("delivery-retry", 940, 320);
    nodes.notify = await place("delivery-notify", 1140, 200);
    const { inject, source, writer, retry, notify } = nodes;
    await wire(page, inject, 0, source);
    await wire(page, source, 0, writer);
    await wire(page, writer, 0, notify);
    await wire(page, writer, 1, retry);
    await wire(page, retry, 1, notify);
  });

  test("what is missing is marked, named, and warned of before a deploy", async () => {
    const mark = nodes.writer.locator.locator(".red-ui-flow-node-error");
    await mark.hover();
    const reasons = page.locator(".red-ui-flow-port-tooltip");
    await reasons.filter({ hasText: /Bucket:\s+fill\s+this\s+in\./ }).waitFor();
    expect(await reasons.textContent()).toContain("Connection");
    await page.locator("#red-ui-header-button-deploy").click();
    const warning = page.locator(".red-ui-notification", { hasText: "not properly configured" });
    await warning.waitFor();
    expect(await warning.textContent()).toContain("s3 writer");
    await warning.getByRole("button", { name: "Cancel" }).click();
    await warning.waitFor({ state: "detached" });
  });

  test("the data source previews what it will deliver", async () => {
    await edit(page, nodes.source, async () => {
      await page.locator("#node-input-text-editor .monaco-editor").click();
      await page.keyboard.press("Control+A");
      await page.keyboard.insertText("id,name\n1,Ärzte & Söhne\n");
      await fillIn(page, "node", { fileName: "customers-{{yyyy}}.csv" });
      const year = new Date().getFullYear();
      await page.locator(".dd-preview:visible", { hasText: `customers-${year}.csv` }).waitFor();
    });
  });

  test("the writer's dialog refuses a wrong bucket and adds a connection with its keys", async () => {
    await edit(page, nodes.writer, async () => {
      await fillIn(page, "node", { bucket: "Not_A_Bucket" });
      await page.locator("#node-input-bucket.input-error").waitFor();
      await fillIn(page, "node", { bucket: "reports", key: "{{yyyy}}/{{source.name}}", link: true });
      await page.locator("#node-input-bucket:not(.input-error)").waitFor();
      await addConnection(page, async () => {
        await fillIn(page, "config", {
          endpoint: s3.endpoint,
          accessKeyId: s3.accessKeyId,
          secretAccessKey: s3.secretAccessKey,
        });
      });
      const year = new Date().getFullYear();
      const preview = page.locator("#delivery-key-preview");
      expect(await preview.textContent()).toContain(`s3://reports/${year}/customers-${year}.csv`);
    });
    const chosen = await page.evaluate(`RED.nodes.node("${nodes.writer.id}").connection`);
    expect(chosen).toMatch(/^[0-9a-f]{16}$/);
    await nodes.writer.locator.locator(".red-ui-flow-node-error").waitFor({ state: "hidden" });
  });

  test("the retry's dialog says what its settings mean", async () => {
    await edit(page, nodes.retry, async () => {
      await fillIn(page, "node", { preset: "three-quick-tries" });
      expect(await page.locator(".dd-plan").textContent()).toContain("Tries again after 1 s, 2 s.");
    });
  });

  test("the notify's dialog asks for recipients once there is a mail server", async () => {
    await edit(page, nodes.notify, async () => {
      expect(await page.locator("#node-input-to").isVisible()).toBe(false);
      await addConnection(page, async () => {
        await fillIn(page, "config", {
          host: "localhost",
          port: String(smtp.port),
          user: playground.env.DEMO_SMTP_USER ?? "",
          password: playground.env.DEMO_SMTP_PASSWORD ?? "",
          from: "Deliveries <deliveries@example.com>",
        });
      });
      await page.locator("#node-input-to.input-error").waitFor();
      await fillIn(page, "node", { to: "ops@example.com" });
      await page.locator("#node-input-to:not(.input-error)").waitFor();
    });
  });

  test("deployed and triggered, it delivers at the second attempt and tells people", async () => {
    // As often as one attempt sends a request.
    let refused = 0;
    s3.onRequest(({ operation }) => {
      if (operation !== "PutObject" || refused === 3) return undefined;
      refused++;
      return { answer: { status: 409, code: "OperationAborted", message: "Another one is under way." } };
    });
    await deploy(page);
    expect(JSON.stringify(await nodeRed.get("/flows"))).not.toContain(s3.secretAccessKey);

    await nodes.inject.locator.locator(".red-ui-flow-node-button-button").click();
    await nodes.retry.locator.getByText(/^attempt 2 at /).waitFor();
    await nodes.retry.locator.getByText(/^attempt 2 succeeded: customers-/).waitFor();
    const year = new Date().getFullYear();
    await nodes.writer.locator.getByText(`delivered customers-${year}.csv, 26 B`).waitFor();
    await nodes.notify.locator.getByText("sent to ops@example.com").waitFor();
    expect(refused).toBe(3);
    const stored = await s3.read("reports", `${year}/customers-${year}.csv`);
    expect(stored?.toString()).toBe("id,name\n1,Ärzte & Söhne\n");
    const mail = await smtp.waitFor(({ envelope }) => envelope.to.includes("ops@example.com"), 5_000);
    expect(mail.subject).toContain(`s3://reports/${year}/customers-${year}.csv`);
    const [link = ""] = /http:\S+/.exec(mail.text ?? "") ?? [];
    expect(await (await fetch(link)).text()).toBe("id,name\n1,Ärzte & Söhne\n");
    expect(smtp.messages).toHaveLength(1);
  });

  test("opened again, the connection keeps its secret to itself", async () => {
    const secrets = await page.evaluate(`RED.nodes.node("${nodes.writer.id}").connection`);
    const credentials = await nodeRed.get(`/credentials/delivery-s3-connection/${secrets}`);
    expect(credentials).toMatchObject({ accessKeyId: s3.accessKeyId, has_secretAccessKey: true });
    expect(JSON.stringify(credentials)).not.toContain(s3.secretAccessKey);
  });

  test("the schedule's dialog shows the next ten times as one types, or what is wrong", async () => {
    const schedule = await dragFromPalette(page, "delivery-schedule", { x: 380, y: 420 });
    const times = page.locator("#delivery-times");
    await edit(page, schedule, async () => {
      await fillIn(page, "node", { cron: "0 25 * * *" });
      await times.getByText(/hour cannot be "25"/).waitFor();
      await fillIn(page, "node", { cron: "30 2 1 7 *", timeZone: "America/New_York" });
      await times.getByText("The next times, in America/New_York").waitFor();
      const shown = await times.locator("div").allTextContents();
      expect(shown).toHaveLength(11);
      for (const time of shown.slice(1)) expect(time).toMatch(/Jul 1, 20\d\d, 02:30 (EDT|GMT-4)/);
    });
    await deploy(page);
    await schedule.locator.getByText(/^next 20\d\d-07-01 02:30$/).waitFor();
  });

  test("the menu lists all examples, and a story from it is imported, deployed and delivers", async () => {
    await page.locator("#red-ui-header-button-sidemenu").click();
    await page.locator("#menu-item-import").click();
    const dialog = page.locator("#red-ui-clipboard-dialog");
    await dialog.getByRole("link", { name: "Examples" }).click();
    const entries = dialog.locator(".red-ui-treeList-label-text");
    await entries.getByText("@data-distribution/node-red", { exact: true }).click();
    for (const { name } of readExamples()) await entries.getByText(name, { exact: true }).waitFor();

    await entries.getByText(story, { exact: true }).click();
    await page.locator("#red-ui-clipboard-dialog-ok").click();
    await page.locator(".red-ui-tab", { hasText: story }).click();
    await page.locator(".red-ui-tab.active", { hasText: story }).waitFor();
    await deploy(page);

    // By its name: what is imported gets an id of its own.
    const imported = readExamples().find(({ name }) => name === story)?.flow ?? [];
    const named = (type: string) => {
      const name = String(imported.find((node) => node.type === type)?.name);
      return page.locator(".red-ui-flow-node-group").filter({ hasText: name });
    };
    await named("inject").locator(".red-ui-flow-node-button-button").click();
    await named("delivery-s3-writer")
      .getByText(/^delivered customers-[\d-]+\.csv, /)
      .waitFor();
    const { subject } = await smtp.waitFor(
      ({ envelope }) => envelope.to.includes("sales@example.com"),
      10_000,
    );
    expect(subject).toMatch(/^Customers on \d{4}-/);
    expect(nodeRed.log.filter(({ level }) => level <= 20)).toEqual([]);
  });

  test("nothing went wrong in the browser", () => {
    expect(editor.problems).toEqual([]);
  });
});
