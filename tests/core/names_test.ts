// Where checkpoints have weights, on examples that fit in the head.

import { assertEquals } from "@std/assert";
import { fused, locate, type PartNames, rowSpans } from "../../core/mod.ts";

const NAMES: PartNames = {
  prefixes: ["model.", "old."],
  names: {
    "table": "tok.weight",
    "linear1": "mlp.1",
    "layers.*.norm1": "blocks.*.ln",
    ...fused("blocks.*.qkv", ["layers.*.query", "layers.*.key"], {
      groups: 2,
      shares: [3, 1],
    }),
  },
};

Deno.test("locate() finds tensors, modules, and modules of layers under every prefix", () => {
  const places = (name: string) =>
    locate(NAMES, name).map(({ tensor }) => tensor);
  assertEquals(places("table"), ["model.tok.weight", "old.tok.weight"]);
  assertEquals(places("linear1.bias"), ["model.mlp.1.bias", "old.mlp.1.bias"]);
  assertEquals(places("layers.12.norm1.weight"), [
    "model.blocks.12.ln.weight",
    "old.blocks.12.ln.weight",
  ]);
});

Deno.test("locate() finds weights that share a tensor", () => {
  const [place] = locate(NAMES, "layers.7.key.weight");
  assertEquals(place, {
    tensor: "model.blocks.7.qkv.weight",
    rows: { in: "blocks.*.qkv", groups: 2, shares: [3, 1], index: 1 },
  });
});

Deno.test("rowSpans() gives the rows of each group of heads", () => {
  // Heads of 2 rows, in each of two groups three for queries and one for keys.
  const [query, key] = ["layers.*.query", "layers.*.key"].map((name) => {
    const rows = NAMES.names[name];
    return typeof rows === "string" ? [] : [...rowSpans(rows, 16)];
  });
  assertEquals(query, [{ start: 0, length: 6 }, { start: 8, length: 6 }]);
  assertEquals(key, [{ start: 6, length: 2 }, { start: 14, length: 2 }]);
});
