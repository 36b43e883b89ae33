/** jax-js with its WebAssembly backend, one thread, or with its WebGPU backend. */
// deno-lint-ignore-file no-explicit-any -- packages come without their types

import { importPackage, versionOf } from "./packages.ts";
import {
  attentionInputs,
  type Contestant,
  linearInputs,
  type Prepared,
} from "./work.ts";

/** Results that wait together: on a GPU, waiting takes long. */
const TOGETHER = { wasm: 1, webgpu: 32 } as const;

/** Starts it; operations are compiled by its `jit`. */
export async function createJax(
  device: "wasm" | "webgpu",
): Promise<Contestant> {
  // It takes one thread for each core, unless there are no workers.
  if (device === "wasm") Reflect.deleteProperty(globalThis, "Worker");
  const jax = await importPackage("@jax-js/jax");
  await jax.init(device);
  jax.defaultDevice(device);
  const { numpy, nn } = jax;

  function prepare(inputs: any[], compute: any): Prepared {
    // Operations consume their arguments; `ref` keeps them.
    const once = (): any => compute(...inputs.map((input) => input.ref));
    return {
      async run(times) {
        for (let done = 0; done < times; done += TOGETHER[device]) {
          const length = Math.min(TOGETHER[device], times - done);
          // An array that is disposed before it is ready is never computed.
          const outputs = Array.from({ length }, once);
          await jax.blockUntilReady(outputs);
          for (const out of outputs) out.dispose();
        }
      },
      result: () => once().data(),
      free: () => inputs.forEach((input) => input.dispose()),
    };
  }

  return {
    name: `jax-js ${versionOf("@jax-js/jax")} ${
      device === "wasm" ? "WASM, 1 thread" : "WebGPU"
    }`,
    prepare(work) {
      if (work.operation === "linear") {
        const { M, I, O, weightType } = work;
        const type = { f32: numpy.float32, f16: numpy.float16 }[
          weightType as string
        ];
        if (!type) throw new Error(`it has no ${weightType}`);
        const { x, weight } = linearInputs(work);
        const array = (data: Float32Array, shape: number[]): any =>
          numpy.array(data).reshape(shape).astype(type);
        return prepare(
          [array(x, [M, I]), array(weight, [O, I])],
          jax.jit((x: any, w: any) => numpy.matmul(x, w.transpose())),
        );
      }
      const { S, H, E } = work;
      const { q, k, v } = attentionInputs(work);
      return prepare(
        [q, k, v].map((x) => numpy.array(x).reshape([1, S, H, E])),
        jax.jit((q: any, k: any, v: any) => nn.dotProductAttention(q, k, v)),
      );
    },
  };
}
