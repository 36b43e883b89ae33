/**
 * The page's side: `Deno.test` for test files that know of nothing else, so that
 * they run in a page as they are.
 */

/** What came of a test. */
export interface TestResult {
  readonly name: string;
  /** What went wrong, in the test and in its steps; empty where it passed. */
  readonly errors: readonly string[];
  readonly seconds: number;
}

/** The part of `Deno.TestContext` that pages have. */
interface TestContext {
  step(name: string, body: TestBody): Promise<boolean>;
}

type TestBody = (t: TestContext) => void | Promise<void>;

const registered: { readonly name: string; readonly body: TestBody }[] = [];

Object.assign(globalThis, {
  Deno: {
    test: (name: string, body: TestBody) => registered.push({ name, body }),
  },
});

/**
 * Runs the tests of a file, one after the other.
 *
 * @param url the file
 * @param report is told of each test when it is done
 */
export async function runTests(
  url: string,
  report: (result: TestResult) => Promise<void>,
): Promise<void> {
  await import(url);
  if (registered.length === 0) throw new Error("it has no tests");
  for (const { name, body } of registered) {
    const start = performance.now();
    const errors = await errorsOf(body);
    await report({ name, errors, seconds: (performance.now() - start) / 1000 });
  }
}

/** Runs a test or a step of one. A failed step does not end what it belongs to. */
async function errorsOf(body: TestBody): Promise<string[]> {
  const errors: string[] = [];
  try {
    await body({
      async step(name, body) {
        const found = await errorsOf(body);
        errors.push(...found.map((error) => `${name}: ${error}`));
        return found.length === 0;
      },
    });
  } catch (error) {
    errors.push(error instanceof Error ? error.stack! : String(error));
  }
  return errors;
}
