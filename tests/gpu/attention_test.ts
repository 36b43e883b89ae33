// Attention and its scores on the GPU backend, against the reference.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { assertClose } from "../_compare.ts";
import { asOnHardware, gpu } from "../_gpu.ts";
import { attentionInputs, testAttention } from "../_operations/attention.ts";
import { Inputs } from "../_parity.ts";

testAttention(gpu, {
  // Each run computes whole tiles, however small its sizes are.
  runs: 60,
  // Each needs pipelines of its own. 6 is padded; 132 takes several chunks of
  // keys and more than one slice of values.
  widths: fc.constantFrom(6, 32, 132),
});

testAttention(asOnHardware(), { runs: 15, widths: fc.constantFrom(6, 64) });

Deno.test("attention() gives zeros to a query that sees no key (WebGPU)", async () => {
  const x = new Inputs(gpu, 0);
  const q = x.tensor([1, 2, 32], Array(64).fill(0));
  const [k, v] = [1, 2].map(() => x.floats([1, 3, 32]));
  // The first query sees no key, the second one two of three.
  const spec = {
    headWidth: 32,
    causal: {
      queries: x.indices([1, 2], [0, 9]),
      keys: x.indices([1, 3], [1, 9, 10]),
    },
  };
  const out = await gpu.read(gpu.attention(q, k, v, spec));
  const values = await gpu.read(v);
  assertEquals(out.subarray(0, 32), new Float32Array(32));
  assertClose(
    out.subarray(32),
    Array.from({ length: 32 }, (_, e) => (values[e] + values[e + 32]) / 2),
    { absolute: 1e-6 },
  );
  const scores = gpu.attentionScores(q, k, {
    ...spec,
    queryRows: { start: 0, length: 2 },
    keyColumns: { start: 0, length: 3 },
  });
  assertClose(await gpu.read(scores), [0.5, 0.5, 0], { absolute: 1e-6 });
});

Deno.test("attentionScores() gives the same bits every time (WebGPU)", async () => {
  const { q, k, spec } = attentionInputs(new Inputs(gpu, 1), {
    B: 2,
    Sq: 70,
    Sk: 100,
    K: 2,
    group: 2,
    E: 32,
    scale: 1,
    causal: true,
  });
  const scores = () =>
    gpu.read(gpu.attentionScores(q, k, {
      ...spec,
      queryRows: { start: 0, length: 70 },
      keyColumns: { start: 3, length: 90 },
    }));
  const first = await scores();
  for (let i = 0; i < 5; i++) assertEquals(await scores(), first);
});
