/**
 * TensorFlow.js with its WebAssembly backend (XNNPACK), one thread, or with its
 * WebGPU backend.
 */
// deno-lint-ignore-file no-explicit-any -- packages come without their types

import { folderOf, importPackage, versionOf } from "./packages.ts";
import {
  attentionInputs,
  type Contestant,
  linearInputs,
  type Prepared,
} from "./work.ts";

/** Starts it; operations run when they are called. */
export async function createTensorFlow(
  backend: "wasm" | "webgpu",
): Promise<Contestant> {
  const tf = await importPackage("@tensorflow/tfjs-core");
  const implementation = await importPackage(
    `@tensorflow/tfjs-backend-${backend}`,
  );
  if (backend === "wasm") {
    implementation.setThreadsCount(1);
    const folder = new URL(folderOf("@tensorflow/tfjs-backend-wasm")).pathname;
    implementation.setWasmPaths(folder);
  }
  await tf.setBackend(backend);
  await tf.ready();

  function prepare(inputs: any[], compute: () => any): Prepared {
    return {
      async run(times) {
        for (let i = 1; i < times; i++) compute().dispose();
        const out = compute();
        // Reading one number waits for all that was submitted before.
        if (backend === "webgpu") await tf.slice(out, 0, 1).data();
        out.dispose();
      },
      async result() {
        const out = compute();
        const values = (await out.data()).slice();
        out.dispose();
        return values;
      },
      free: () => tf.dispose(inputs),
    };
  }

  return {
    name: `TensorFlow.js ${versionOf("@tensorflow/tfjs-core")} ${
      backend === "wasm" ? "WASM, 1 thread" : "WebGPU"
    }`,
    prepare(work) {
      if (work.operation === "linear") {
        const { M, I, O, weightType } = work;
        if (weightType !== "f32") throw new Error(`it has no ${weightType}`);
        const inputs = linearInputs(work);
        const x = tf.tensor2d(inputs.x, [M, I]);
        const w = tf.tidy(() =>
          tf.transpose(tf.tensor2d(inputs.weight, [O, I]))
        );
        return prepare([x, w], () => tf.matMul(x, w));
      }
      const { S, H, E } = work;
      const { q, k, v } = attentionInputs(work);
      const heads = (x: Float32Array): any =>
        tf.tidy(() => tf.transpose(tf.tensor3d(x, [S, H, E]), [1, 0, 2]));
      const [qH, kH, vH] = [heads(q), heads(k), heads(v)];
      return prepare([qH, kH, vH], () =>
        tf.tidy(() => {
          const scores = tf.matMul(
            tf.mul(qH, 1 / Math.sqrt(E)),
            kH,
            false,
            true,
          );
          const mixed = tf.matMul(tf.softmax(scores), vH);
          return tf.transpose(mixed, [1, 0, 2]);
        }));
    },
  };
}
