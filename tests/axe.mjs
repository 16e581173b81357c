// Opens every page of a built site from the file system, light and dark, wide and narrow, and says what axe-core,
// the console and the network find wrong with it. No part of `make test`, which needs no browser. To run it:
//   npm install --prefix /tmp/axe axe-core playwright-core
//   NODE_MODULES=/tmp/axe CHROMIUM=/usr/bin/chromium node tests/axe.mjs site/pocket [part of a page's name]
import { readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const load = createRequire(join(resolve(process.env.NODE_MODULES ?? "."), "here"));
const { chromium } = load("playwright-core");
const { source } = load("axe-core");
const [folder, part = ""] = process.argv.slice(2);
const site = resolve(folder);
const files = readdirSync(site, { recursive: true }).filter((name) => name.endsWith(".html"));
const pages = files.filter((name) => !/^_(static|sources)/.test(name) && name.includes(part)).sort();

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
let faults = 0;
const say = (...words) => { faults += 1; console.log(...words); };

async function check(name, mode, width) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: mode });
  await context.addInitScript((mode) => ["mode", "theme"].forEach((key) => localStorage.setItem(key, mode)), mode);
  const page = await context.newPage();
  const at = `${name} (${mode}, ${width} px):`;
  const sizes = new Map();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && say(at, message.text()));
  page.on("pageerror", (error) => say(at, error.message));
  page.on("requestfailed", (request) => say(at, "failed to load", request.url()));
  page.on("request", (request) => {
    const address = request.url().split(/[?#]/)[0];
    if (address.startsWith("file:")) sizes.set(address, statSync(new URL(address), { throwIfNoEntry: false })?.size ?? 0);
    else if (!address.startsWith("data:")) say(at, "asks the network for", address);
  });
  await page.goto(pathToFileURL(join(site, name)).href + (name === "search.html" ? "?q=entropy" : ""));
  await page.waitForTimeout(300); // index.html leads on
  await page.evaluate(() => document.querySelectorAll("details").forEach((hidden) => (hidden.open = true)));
  await page.waitForTimeout(1000); // until formulas are set and what opened has faded in
  await page.evaluate(source);
  const found = await page.evaluate(() => window.axe.run(document, { preload: false }));
  for (const { id, nodes } of found.violations)
    for (const node of nodes) say(at, id, node.target.join(" "), node.failureSummary.split("\n").pop().trim());
  const weight = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  if (weight > 2.5e6) say(at, `weighs ${(weight / 1e6).toFixed(2)} MB`);
  await context.close();
}

for (const name of pages)
  for (const [mode, width] of [["light", 1400], ["dark", 1400], ["light", 400]]) await check(name, mode, width);
await browser.close();
console.log(`${pages.length} pages, ${faults} faults`);
process.exit(faults ? 1 : 0);
