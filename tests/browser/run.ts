/**
 * Runs tests in Chromium: the operations of the GPU backend, the whole model on
 * both backends, the pool of workers, and decoding of images.
 *
 *     deno task test:browser [--browser PATH] [FILE...]
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import type { Browser } from "playwright-core";
import { findBrowser, startBrowser } from "./browser.ts";
import type { TestResult } from "./page.ts";
import { serveRepository } from "./server.ts";

/** Test files that run in a page: those of the GPU backend that need no Deno. */
const FILES =
  /^(gpu\/(?!evaluators|example).*|cpu\/model|io\/(orientation|page_images)|eval\/(pool|pool_workers))_test\.ts$/;

/** Longest time of one file, in milliseconds. */
const LIMIT = 300_000;

/** How many tests passed and failed. */
interface Count {
  passed: number;
  failed: number;
}

/** All test files that run in a page. */
function testFiles(): string[] {
  const tests = new URL("../", import.meta.url);
  const folders = ["cpu", "eval", "gpu", "io"];
  return folders.flatMap((folder) =>
    [...Deno.readDirSync(new URL(folder, tests))]
      .map(({ name }) => `${folder}/${name}`)
  ).filter((name) => FILES.test(name)).sort();
}

/** Prints the browser and its adapter. */
async function printAdapter(browser: Browser, origin: string): Promise<void> {
  const page = await browser.newPage();
  await page.goto(origin);
  const adapter = await page.evaluate(async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    return adapter && `${adapter.info.vendor} ${adapter.info.architecture}`;
  });
  await page.close();
  const name = `Chromium ${browser.version()}`;
  if (!adapter) throw new Error(`Cannot test as ${name} has no WebGPU adapter`);
  console.log(`${name}, WebGPU on ${adapter}`);
}

/** Runs the tests of a file in a page of their own. */
async function runFile(
  browser: Browser,
  origin: string,
  file: string,
): Promise<Count> {
  const count = { passed: 0, failed: 0 };
  const tell = (what: string, errors: readonly string[]): void => {
    const failed = errors.length > 0;
    count[failed ? "failed" : "passed"]++;
    console.log(`  ${failed ? "FAILED" : "ok    "}  ${what}`);
    // Without the origin, files are named as in the repository.
    for (const error of errors) {
      console.log(indent(error.replaceAll(origin, "")));
    }
  };
  const fail = (error: Error): void =>
    tell("outside of tests", [String(error)]);
  console.log(`\n${file}`);
  const page = await browser.newPage();
  page.on("pageerror", fail);
  await page.exposeFunction(
    "report",
    ({ name, errors, seconds }: TestResult) =>
      tell(`${name} (${seconds.toFixed(1)} s)`, errors),
  );
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`it took more than ${LIMIT / 1000} seconds`)),
    LIMIT,
  );
  const run = `import("/tests/browser/page.ts")
    .then(({ runTests }) => runTests("/tests/${file}", report))`;
  try {
    await page.goto(origin);
    await Promise.race([page.evaluate(run), late]);
  } catch (error) {
    fail(error as Error);
  }
  clearTimeout(timer);
  await page.close();
  return count;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

const options = parseArgs(Deno.args, { string: ["browser"] });
const files = options._.length > 0 ? options._.map(String) : testFiles();
const total = { passed: 0, failed: 0 };
try {
  const path = findBrowser(options.browser);
  await using server = await serveRepository();
  await using browser = await startBrowser(path);
  await printAdapter(browser, server.origin);
  for (const file of files) {
    const { passed, failed } = await runFile(browser, server.origin, file);
    total.passed += passed;
    total.failed += failed;
  }
} catch (error) {
  console.error((error as Error).message);
  total.failed++;
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
if (total.failed > 0) Deno.exitCode = 1;
