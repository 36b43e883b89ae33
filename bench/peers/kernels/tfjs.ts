/** TensorFlow.js with its WebAssembly backend (XNNPACK), one thread. */
// deno-lint-ignore-file no-explicit-any -- packages come without their types

import { folderOf, importPackage, versionOf } from "./packages.ts";
import {
  attentionInputs,
  type Contestant,
  linearInputs,
  type Prepared,
} from "./work.ts";

/** Starts it; operations run when they are called. */
export async function createTensorFlow(): Promise<Contestant> {
  const tf = await importPackage("@tensorflow/tfjs-core");
  const wasm = await importPackage("@tensorflow/tfjs-backend-wasm");
  wasm.setThreadsCount(1);
  const folder = new URL(folderOf("@tensorflow/tfjs-backend-wasm")).pathname;
  wasm.setWasmPaths(folder);
  await tf.setBackend("wasm");
  await tf.ready();

  function prepare(inputs: any[], compute: () => any): Prepared {
    return {
      run(times) {
        for (let i = 0; i < times; i++) compute().dispose();
      },
      result() {
        const out = compute();
        const values = out.dataSync().slice();
        out.dispose();
        return values;
      },
      free: () => tf.dispose(inputs),
    };
  }

  return {
    name: `TensorFlow.js ${versionOf("@tensorflow/tfjs-core")} WASM, 1 thread`,
    prepare(work) {
      if (work.operation === "linear") {
        const { M, I, O } = work;
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
