// docs/dependencies.md, compared with deno.json and with the fixture it counts.

import { assert, assertEquals } from "@std/assert";
import { readJinja } from "../../io/jinja/template.ts";
import { readPage } from "../_docs.ts";
import record from "../fixtures/jinja.json" with { type: "json" };
import config from "../../deno.json" with { type: "json" };

const page = await readPage("dependencies.md");

Deno.test("docs/dependencies.md names every package of deno.json", () => {
  for (const name of Object.keys(config.imports)) {
    const [scope, rest] = name.split("/");
    const packageName = scope.startsWith("@") ? `${scope}/${rest}` : scope;
    assert(page.text.includes(packageName), packageName);
  }
});

Deno.test("docs/dependencies.md counts the templates that are refused", () => {
  const rendered = Object.values(record.templates).flat()
    .filter(([, text]) => text !== null) as [string, string][];
  const refused = rendered.filter(([template]) => {
    try {
      readJinja(template).render(record.variables);
      return false;
    } catch {
      return true;
    }
  });
  assertEquals(page.stated("the templates that are refused ("), refused.length);
  assertEquals(page.stated(`${refused.length} of the `), rendered.length);
  for (const [, ...counts] of page.table(/^\| 1,011 templates/)) {
    assertEquals(counts.reduce((sum, n) => sum + n), rendered.length);
  }
});

Deno.test("docs/dependencies.md names files that are there", async () => {
  const files = [...page.text.matchAll(/`([\w./-]+\.(?:ts|json))`/g)];
  for (const [, file] of files) {
    await Deno.stat(new URL(`../../${file}`, import.meta.url));
  }
  assert(files.length > 0);
});
