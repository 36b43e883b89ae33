// The operations of the GPU backend against the reference: all but linear
// (gpu/linear_test.ts) and attention (gpu/attention_test.ts). And what only a
// GPU has: limits of a grid and of a binding.

import { assertEquals } from "@std/assert";
import { createContext } from "../../gpu/context.ts";
import { movementOperations } from "../../gpu/operations/movement.ts";
import { uploadOperations } from "../../gpu/operations/upload.ts";
import { bufferOf } from "../../gpu/tensors.ts";
import { device, gpu } from "../_gpu.ts";
import { testNorms } from "../_operations/norms.ts";
import { testRope } from "../_operations/rope.ts";
import { testRows } from "../_operations/rows.ts";
import { testTopK } from "../_operations/top_k.ts";
import { assertSame } from "../_parity.ts";

/** Random shapes per operation. */
const RUNS = 100;

testNorms(gpu, RUNS);
testRope(gpu, RUNS);
testRows(gpu, RUNS);
testTopK(gpu, RUNS);

Deno.test("rmsNorm() takes more rows than a grid has along one dimension (WebGPU)", () =>
  assertSame(gpu, 1, (inputs) =>
    inputs.backend.rmsNorm(
      inputs.floats([65_537, 2]),
      inputs.floats([2]),
      1e-5,
    )));

Deno.test("embed() finds rows in all parts of a table that is too large to be bound (WebGPU)", async () => {
  // Three rows of 16 bytes, and then one more.
  const context = createContext(device, { bindable: 48 });
  const { upload } = uploadOperations(context);
  const values = Float32Array.from({ length: 16 }, (_, i) => i);
  const table = upload(values, [4, 4]);
  const ids = upload(Int32Array.of(3, 0, 2, 3), [1, 4]);
  const y = movementOperations(context).embed(table, ids);
  const read = await context.runner.read(bufferOf(y), 64);
  assertEquals(
    [...new Float32Array(read)],
    [3, 0, 2, 3].flatMap((id) => [0, 1, 2, 3].map((d) => 4 * id + d)),
  );
});
