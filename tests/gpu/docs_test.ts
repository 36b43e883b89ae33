// The kernels of docs/kernels.md, beside the reference.

import { createReferenceBackend } from "../../core/mod.ts";
import { createContext } from "../../gpu/context.ts";
import { uploadOperations } from "../../gpu/operations/upload.ts";
import { bufferOf } from "../../gpu/tensors.ts";
import { assertClose } from "../_compare.ts";
import { device } from "../_gpu.ts";
import { NAIVE_LINEAR } from "../_naive_kernel.ts";
import { randomLinear } from "../_operations/linear.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

for (const [M, I, O] of [[1, 1, 1], [8, 16, 8], [13, 37, 21], [65, 128, 70]]) {
  Deno.test(`the naive kernel of docs/kernels.md multiplies ${M}×${I} by ${I}×${O} (WebGPU)`, async () => {
    const reference = createReferenceBackend();
    const { x, weight } = randomLinear([M, I, O]);
    const expected = await reference.read(reference.linear(
      reference.upload(x, [M, I]),
      reference.uploadWeight(weight, [O, I]),
    ));

    const context = createContext(device);
    const { upload } = uploadOperations(context);
    const out = context.tensors.make("float", [M, O]);
    context.runner.run(NAIVE_LINEAR, {
      inputs: [upload(x, [M, I]), upload(weight, [O, I])],
      outputs: [out],
      sizes: { rows: M, columns: O, depth: I },
      constants: {},
    });
    const bytes = await context.runner.read(bufferOf(out), 4 * M * O);
    assertClose(new Float32Array(bytes), expected, F32_TOLERANCES.operation);
  });
}
