// What a journey needs: a browser, a count of checks, and eyes.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const artifacts = process.env.ARTIFACTS_DIR ?? "artifacts";
const THEMES = ["light", "dark"];
const WIDTHS = [
  { width: 1280, height: 860 },
  { width: 360, height: 740 },
];

export async function launch() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
  const context = await browser.newContext({ viewport: WIDTHS[0], colorScheme: "light" });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  return { browser, context, page };
}

/** Notes requests to other places, and errors that the pages log, such as a policy that was broken. */
export function watch(context, base) {
  const seen = { outside: [], errors: [] };
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${base}/`) && !url.startsWith("blob:")) seen.outside.push(url);
  });
  context.on("weberror", (error) => seen.errors.push(String(error.error())));
  context.on("console", (message) => {
    const { url } = message.location();
    if (message.type() === "error" && !isAnswer(message.text(), url)) seen.errors.push(`${message.text()} ${url}`);
  });
  return seen;
}

/**
 * Refusals that are answers, which the browser logs by itself: a page without a session begins with
 * a 401, and blocks asked for in the moment in which their network is stopped or falls asleep are a 409.
 * What a journey asks for so that it is refused is bad input (400) or above the quota (403).
 */
function isAnswer(text, url) {
  if (/status of 401/.test(text)) return true;
  const { pathname } = new URL(url);
  if (/status of 409/.test(text)) return pathname.endsWith("/blocks");
  return /status of (400|403|422)/.test(text) && /\/networks(\/[^/]+\/extend)?$/.test(pathname);
}

class Stopped extends Error {}

export class Checks {
  #passed = 0;
  #failed = 0;

  async run(name, body) {
    try {
      await body();
      this.#passed += 1;
      console.log(`ok   ${name}`);
      return true;
    } catch (error) {
      this.failed(name, error);
      return false;
    }
  }

  /** Without this one the rest makes no sense. */
  async must(name, body) {
    if (!(await this.run(name, body))) throw new Stopped(name);
  }

  failed(name, error) {
    this.#failed += 1;
    console.log(`FAIL ${name}\n     ${String(error?.message ?? error).split("\n").slice(0, 12).join("\n     ")}`);
  }

  knows(error) {
    return error instanceof Stopped;
  }

  that(holds, what) {
    if (!holds) throw new Error(what);
  }

  equal(found, expected) {
    if (found !== expected) throw new Error(`found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
  }

  finish() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed === 0 ? 0 : 1;
  }
}

export class Looker {
  constructor(page, checks) {
    this.page = page;
    this.checks = checks;
    mkdirSync(artifacts, { recursive: true });
  }

  /** Both themes, both widths: no finding of axe, nothing sideways, a screenshot. */
  async look(name) {
    const { page } = this;
    const wrong = [];
    for (const colorScheme of THEMES) {
      for (const viewport of WIDTHS) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.setViewportSize(viewport);
        const where = `${name} ${colorScheme} ${viewport.width}`;
        await settled(page);
        await this.shot(`${name}-${colorScheme}-${viewport.width}`);
        if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) wrong.push(`${where}: scrolls sideways`);
        wrong.push(...(await findings(page)).map((finding) => `${where}: ${finding}`));
      }
    }
    await page.setViewportSize(WIDTHS[0]);
    await page.emulateMedia({ colorScheme: THEMES[0], reducedMotion: null });
    this.checks.that(wrong.length === 0, wrong.join("\n"));
  }

  async shot(name) {
    const fullPage = !(await this.page.locator("dialog[open]").count());
    await this.page.screenshot({ path: join(artifacts, `console-${name}.png`), fullPage });
  }
}

/** Two frames without a running animation: colours in between are nobody's choice. */
async function settled(page) {
  await page.evaluate(async () => {
    for (let frames = 0; frames < 2; frames += 1) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      await Promise.all(document.getAnimations().map((animation) => (animation.effect?.getComputedTiming().iterations === Infinity ? null : animation.finished.catch(() => null))));
    }
  });
}

async function findings(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await window.axe.run(document, { runOnly: tags });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target.join(" ")} (${node.any[0]?.message ?? node.failureSummary})`).join(" | ")}`);
  });
}
