/** jax-js with its WebAssembly backend, one thread. */
// deno-lint-ignore-file no-explicit-any -- packages come without their types

import { importPackage, versionOf } from "./packages.ts";
import {
  attentionInputs,
  type Contestant,
  linearInputs,
  type Prepared,
} from "./work.ts";

/** Starts it; operations are compiled by its `jit`. */
export async function createJax(): Promise<Contestant> {
  // It takes as many threads as there are cores, unless there are no workers.
  Reflect.deleteProperty(globalThis, "Worker");
  const jax = await importPackage("@jax-js/jax");
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  const { numpy, nn } = jax;

  function prepare(inputs: any[], compute: any): Prepared {
    // Operations consume their arguments; `ref` keeps them.
    const once = (): any => compute(...inputs.map((input) => input.ref));
    return {
      async run(times) {
        for (let i = 0; i < times; i++) {
          const out = once();
          await out.blockUntilReady();
          out.dispose();
        }
      },
      result: () => once().data(),
      free: () => inputs.forEach((input) => input.dispose()),
    };
  }

  return {
    name: `jax-js ${versionOf("@jax-js/jax")} WASM, 1 thread`,
    prepare(work) {
      if (work.operation === "linear") {
        const { M, I, O } = work;
        const { x, weight } = linearInputs(work);
        return prepare(
          [numpy.array(x).reshape([M, I]), numpy.array(weight).reshape([O, I])],
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
