// The numbers and the code of docs/kernels.md. Its WGSL runs in gpu/docs_test.ts.

import { assert, assertEquals } from "@std/assert";
import { multiplyMatrices } from "../../core/mod.ts";
import { PANEL_COLUMNS, TILE_ROWS } from "../../cpu/kernels/linear_tile.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { MATRIX_LINEAR } from "../../gpu/kernels/linear.ts";
import { publishedModels } from "../../search/mod.ts";
import { assertClose } from "../_compare.ts";
import { readPage } from "../_docs.ts";
import { readTestText } from "../_files.ts";
import { randomLinear } from "../_operations/linear.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

const page = await readPage("kernels.md");
const { table, cells, stated } = page;

Deno.test("the kernels page's loops are the reference's, and the CPU's product is theirs", async () => {
  const reference = await readTestText("../core/reference/backend.ts");
  assert(reference.includes(page.block("ts ignore")));
  const cpu = createCpuBackend();
  for (const [M, I, O] of [[1, 1, 1], [4, 16, 8], [13, 37, 21]]) {
    const { x, weight } = randomLinear([M, I, O]);
    const out = cpu.linear(
      cpu.upload(x, [M, I]),
      cpu.uploadWeight(weight, [O, I]),
    );
    const expected = multiplyMatrices(x, weight, { M, O, I });
    assertClose(await cpu.read(out), expected, F32_TOLERANCES.operation);
  }
});

Deno.test("the kernels page counts what a tile of a GPU reads", () => {
  const { width: D, mlpWidth: M } = publishedModels["LLaVA-1.5-7B"];
  const millions = stated("times one of its matrices is ");
  assertEquals(millions, Math.round(D * M / 1e6));

  const [X, Y, K] = [8, 8, 4];
  const [rows, columns] = [8 * Y, 8 * X];
  const { grid } = MATRIX_LINEAR.f32;
  const sizes = { rows, columns } as Parameters<typeof grid>[0];
  assertEquals(grid(sizes, { X, Y, Z: 1, K }), [1, 1, 1]);
  assertEquals(stated("With X = Y = "), X);
  const depth = 4 * K;
  assertEquals(stated("2 · 64 · 16 = "), (rows + columns) * depth);
  assertEquals(stated("64 · 64 · 16 = "), rows * columns * depth);
  assertEquals((rows + columns) / (rows * columns), 1 / stated("adds, 1/"));
  assertEquals(
    2 / ((rows + columns) / (rows * columns)),
    stated("The naive kernel read 2: "),
  );
  assertEquals(stated("8 · 8 · 4 = "), 8 * 8 * 4);
  const [vectors, values] = [8 + 8, 4];
  assertEquals(stated("multiply-adds for "), vectors);
  assertEquals(stated("From workgroup memory it is "), vectors * values);
});

Deno.test("the kernels page counts the registers of tiles", () => {
  const header = /^\| tile R × C \| sums/;
  const available = stated("(V8 keeps one, so ");
  assertEquals(available, stated("by itself, and ") - 1);
  const rows = table(header);
  for (const [i, [tile]] of cells(header).entries()) {
    const [R, C] = tile.split(" × ").map(Number);
    const [, sums, w, x, registers, loads, madds, each] = rows[i];
    assertEquals([sums, w, x], [R * C / 4, C / 4, 1]);
    assertEquals(registers, sums + w + x);
    assertEquals([loads, madds], [w + R, sums]);
    assertClose([each], [loads / madds], { absolute: 5.01e-3 });
    // The one that runs is the largest of those that fit.
    const isOurs = R === TILE_ROWS && C === PANEL_COLUMNS;
    if (registers <= available) assert(isOurs || sums < 12);
    else assert(!isOurs);
  }
});

Deno.test("the kernels page quotes code that is there", async () => {
  const sources = await Promise.all([
    "../gpu/kernels/linear.ts",
    "../cpu/kernels/linear.ts",
    "../cpu/kernels/linear_tile.ts",
    "../cpu/relaxed.ts",
  ].map(readTestText));
  const quoted = [
    "MATRIX_LINEAR",
    "array<vec4f, 9>",
    "(Y + 1) * K",
    "workgroupBarrier",
    "load32Splat",
  ];
  for (const code of quoted) {
    assert(page.text.includes("`" + code), code);
    assert(sources.some((source) => source.includes(code)), code);
  }
  const plain = page.text.replaceAll(/\s+/g, " ");
  const [, kibibytes] = plain.match(/caches: (\d+) KiB of panels/)!;
  const [, power] = sources[1].match(/BLOCK_BYTES = 2 \*\* (\d+);/)!;
  assertEquals(Number(kibibytes), 2 ** Number(power) / 1024);
});

Deno.test("the kernels page has ratios of its own rates, and shares of the page on speed", async () => {
  const rates = table(/^\| kernel +\| GFLOP/);
  const names = cells(/^\| kernel +\| GFLOP/).map(([name]) => name);
  for (const [, rate, ratio] of rates) {
    // Both rates are rounded to .005 of about 2.44 or more.
    const expected = rate / rates[0][1];
    assertClose([ratio], [expected], { absolute: .05, relative: 3e-3 });
  }
  const rate = (name: string): number => rates[names.indexOf(name)][1];
  assertClose(
    [stated("The tiled kernel is ")],
    [rate("WebGPU, tiled") / rate("WebGPU, naive")],
    { absolute: .051 },
  );
  const most = stated("the most there is, made ");
  for (const [, tileRate, share] of cells(/^\| tile R × C \| GFLOP/)) {
    const percent = Number(share.replace(" %", ""));
    assertClose([percent], [100 * Number(tileRate) / most], { absolute: .6 });
  }
  const speed = await readPage("benchmarks.md");
  const shares = new Map(
    speed.cells(/^\| row +\| limit/).map((row) => [row[0], row[3]]),
  );
  assertEquals(
    `${stated("`linear` of the CPU backend reached ")} %`,
    shares.get("linear 512×512×512"),
  );
  assertEquals(
    `${stated("of the limit for 512³ and ")} %`,
    shares.get("linear 160×320×128"),
  );
});
