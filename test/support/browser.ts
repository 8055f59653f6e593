import { type Browser, chromium, type Page } from "playwright-core";

export const chromiumPath = "/usr/bin/chromium";

/** Debian's Chromium without a screen and without calls to anybody. Whoever launched it closes it. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface EditorOptions {
  /** Dark is known to Node-RED 5 only. */
  theme?: "light" | "dark";
  size?: { width: number; height: number };
  /** Dots per pixel, for pictures. */
  scale?: number;
}

export interface EditorPage {
  readonly page: Page;
  /** What went wrong in the page: exceptions, errors on its console, requests that failed. */
  readonly problems: readonly string[];
}

/** Opens the editor at `url` in a session of its own; resolves when the palette is filled. */
export async function openEditor(
  browser: Browser,
  url: string,
  { theme = "light", size = { width: 1440, height: 900 }, scale = 1 }: EditorOptions = {},
): Promise<EditorPage> {
  const context = await browser.newContext({ viewport: size, deviceScaleFactor: scale });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`${message.text()} (${message.location().url})`);
  });
  page.on("requestfailed", (request) => problems.push(`${request.failure()?.errorText} (${request.url()})`));
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} (${response.url()})`);
  });
  // A test that waits in vain shall say for what, before the test itself is out of time.
  page.setDefaultTimeout(20_000);
  await page.addInitScript(`localStorage.setItem("view-dark-theme", ${JSON.stringify(theme)})`);
  await hideTips(url);
  await page.goto(url);
  await page.locator("#red-ui-palette-container .red-ui-palette-node").first().waitFor({ timeout: 90_000 });
  // It lies over everything until the flows are there too.
  await page.locator("#red-ui-loading-progress").waitFor({ state: "hidden", timeout: 90_000 });
  return { page, problems };
}

/** They change by the clock, and Node-RED 5 stumbles over one that comes before its box is there. */
async function hideTips(url: string): Promise<void> {
  await fetch(`${url}/settings/user`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ editor: { view: { "view-show-tips": false } } }),
  });
}
