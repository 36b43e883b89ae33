// The computed numbers of docs/reproducing-the-paper.md, computed anew.

import { assert, assertEquals } from "@std/assert";
import { meanKeepingRate, type Schedule } from "../../core/mod.ts";
import { prefillFlops, publishedModels } from "../../search/mod.ts";
import { assertClose } from "../_compare.ts";
import { readPage } from "../_docs.ts";
import {
  budgetRows,
  internVlBounds,
  internVlRates,
  type ModelName,
  publishedRows,
  scheduleOf,
} from "../_published.ts";

const page = await readPage("reproducing-the-paper.md");
const { cells, table, stated } = page;

/** Half of the last digit that the page states, and rounding. */
const ROUNDED = { absolute: 5.01e-3 };

const teraflops = (name: ModelName, schedule: Schedule): number => {
  const model = publishedModels[name];
  return prefillFlops(model, schedule, model.textTokens) / 1e12;
};

Deno.test("the page on the paper has its rows, and what they cost here", () => {
  const header = /^\| model +\| method/;
  const rows = table(header);
  const names = cells(header).map(([model, method]) => [model, method]);
  assertEquals(names, publishedRows.map((r) => [r.model, r.strategy]));
  for (const [i, row] of publishedRows.entries()) {
    const [, , printed, here, printedMemory, memory] = rows[i];
    assertEquals([printed, printedMemory], [row.teraflops, row.memory]);
    const schedule = scheduleOf(row);
    assertClose([here], [teraflops(row.model, schedule)], ROUNDED);
    assertClose([memory], [meanKeepingRate(schedule)], { absolute: 5.01e-4 });
  }
});

Deno.test("the page on the paper has the bounds of rates that were read in part", () => {
  const header = /^\| model +\| TFLOPs/;
  const rows = table(header);
  assertEquals(cells(header).map(([model]) => model), [
    "InternVL2-1B",
    "InternVL2-2B",
  ]);
  for (
    const [i, name] of (["InternVL2-1B", "InternVL2-2B"] as const).entries()
  ) {
    const [, cost, leastCost, mostCost, memory, leastMemory, mostMemory] =
      rows[i];
    const { least, most } = internVlBounds(name);
    const printed = internVlRates[name];
    assertEquals([cost, memory], [printed.teraflops, printed.memory]);
    assertClose(
      [leastCost, mostCost],
      [teraflops(name, least), teraflops(name, most)],
      ROUNDED,
    );
    assertClose(
      [leastMemory, mostMemory],
      [meanKeepingRate(least), meanKeepingRate(most)],
      { absolute: 5.01e-4 },
    );
    assert(leastCost <= cost && cost <= mostCost);
    assert(leastMemory <= memory && memory <= mostMemory);
  }
});

Deno.test("the page on the paper has what differs", () => {
  const pdrop = publishedRows.find(({ model, strategy }) =>
    model === "LLaVA-1.5-7B" && strategy === "PDrop"
  )!;
  assertEquals(stated("The paper prints "), pdrop.teraflops);
  const computed = teraflops(pdrop.model, scheduleOf(pdrop));
  assertClose([stated("The formula gives ")], [computed], ROUNDED);

  const text = page.text.replaceAll(/\s+/g, " ");
  const three = (before: string): number[] => {
    const [, after] = text.split(before);
    const [, ...numbers] = after.match(/^([\d.]+), ([\d.]+) and ([\d.]+\d)/)!;
    return numbers.map(Number);
  };
  assertEquals(
    three("The paper gives "),
    budgetRows.map(({ teraflops }) => teraflops),
  );
  assertClose(
    three("With K = 2 our formula gives "),
    budgetRows.map((row) => teraflops(row.model, scheduleOf(row))),
    ROUNDED,
  );
  const [llava, internVl] = budgetRows.map((row) =>
    meanKeepingRate(scheduleOf(row))
  );
  assertClose(
    [stated("at R = 87.5 % and K = 2 is "), stated("on LLaVA and ")],
    [llava, internVl],
    { absolute: 5.01e-4 },
  );
});

Deno.test("the page on the paper has the prefill times of the page on speed", async () => {
  const [cpu, webgpu] = [...(await readPage("benchmarks.md")).text.matchAll(
    /^\| G-Search's schedule +\|[^|]*\|([^|]*)x \|[^|]*\|([^|]*)x \|/gm,
  )].map(([, time, flops]) => ({ time: Number(time), flops: Number(flops) }));
  assertEquals(
    [stated("of the depth takes "), stated("here on the CPU and ")],
    [cpu.time, webgpu.time],
  );
  assertEquals(stated("in software, at "), cpu.flops);
});
