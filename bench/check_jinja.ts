/**
 * Renders the templates of tests/fixtures/jinja.json with npm packages, and
 * counts how many give the text of Jinja2, another text, or an error:
 *
 *     deno run -A --no-lock bench/check_jinja.ts
 *
 * tests/io/jinja_test.ts compares our own interpreter with the same file.
 */
// deno-lint-ignore-file no-console

import record from "../tests/fixtures/jinja.json" with { type: "json" };
import { formatTable } from "../report/mod.ts";

/** Programs that render the template in `template`, by the package's name. */
const PACKAGES: Readonly<Record<string, string>> = {
  "@huggingface/jinja@0.5.11":
    `import { Template } from "npm:@huggingface/jinja@0.5.11";
     const render = (template) => new Template(template).render(variables);`,
  "minijinja-js@2.11.0": `import { Environment } from "npm:minijinja-js@2.11.0";
     const environment = new Environment();
     environment.enablePyCompat();
     environment.trimBlocks = environment.lstripBlocks = true;
     const render = (template) => environment.renderStr(template, variables);`,
};

/** The worker's loop: answers a template with its text, or null on an error. */
const LOOP = `
  const variables = ${JSON.stringify(record.variables)};
  self.onmessage = ({ data }) => {
    let text = null;
    try { text = render(data); } catch { /* refused */ }
    self.postMessage(text);
  };
  self.postMessage("ready");`;

/** Milliseconds after which a template counts as hanging. */
const PATIENCE = 5000;

/** The next message of a worker; undefined where it hangs or dies. */
function nextMessage(worker: Worker): Promise<string | null | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), PATIENCE);
    const settle = (value: string | null | undefined): void => {
      clearTimeout(timer);
      resolve(value);
    };
    worker.onmessage = ({ data }) => settle(data);
    worker.onerror = (event) => {
      event.preventDefault();
      settle(undefined);
    };
  });
}

async function startWorker(program: string): Promise<Worker> {
  const url = URL.createObjectURL(
    new Blob([program + LOOP], { type: "text/javascript" }),
  );
  const worker = new Worker(url, { type: "module" });
  await nextMessage(worker);
  return worker;
}

/** The rows of the fixture that Jinja2 renders: a template, and its text. */
const rows = Object.values(record.templates).flat()
  .filter((row): row is [string, string] => row[1] !== null);

const table = [["package", "same", "other text", "refused", "hangs or dies"]];
for (const [name, program] of Object.entries(PACKAGES)) {
  const counts = { same: 0, other: 0, refused: 0, lost: 0 };
  let worker = await startWorker(program);
  for (const [template, expected] of rows) {
    worker.postMessage(template);
    const text = await nextMessage(worker);
    if (text === expected) counts.same++;
    else if (text === null) counts.refused++;
    else if (text !== undefined) counts.other++;
    else {
      counts.lost++;
      worker.terminate();
      worker = await startWorker(program);
    }
  }
  worker.terminate();
  table.push([name, ...Object.values(counts).map(String)]);
}
console.log(`${rows.length} templates that Jinja2 renders\n`);
console.log(formatTable(table));
// A worker that hangs in WebAssembly ignores terminate().
Deno.exit();
