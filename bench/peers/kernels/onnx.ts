/**
 * ONNX Runtime, one thread: compiled to WebAssembly, and native (the ceiling).
 * Weights are constants of the graph, so that it packs them when it loads.
 */
// deno-lint-ignore-file no-explicit-any -- packages come without their types

import { attentionModel, linearModel } from "./onnx_model.ts";
import { folderOf, importPackage, versionOf } from "./packages.ts";
import { attentionInputs, type Contestant, linearInputs } from "./work.ts";

/** onnxruntime-web with the CPU backend in WebAssembly. */
export async function createOnnxWeb(): Promise<Contestant> {
  const ort = await importPackage("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = folderOf("onnxruntime-web");
  const version = versionOf("onnxruntime-web");
  return createOnnx(ort, `onnxruntime-web ${version} WASM, 1 thread`, "wasm");
}

/** onnxruntime-node with the native CPU backend. */
export async function createOnnxNode(): Promise<Contestant> {
  const ort = await importPackage("onnxruntime-node");
  const version = versionOf("onnxruntime-node");
  return createOnnx(ort, `onnxruntime-node ${version} native, 1 thread`, "cpu");
}

function createOnnx(
  ort: any,
  name: string,
  provider: string,
): Contestant {
  return {
    name,
    async prepare(work) {
      const model = work.operation === "linear"
        ? linearModel(work, linearInputs(work).weight)
        : attentionModel(work);
      const session = await ort.InferenceSession.create(model, {
        executionProviders: [provider],
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
      });
      const tensor = (data: Float32Array, shape: number[]): unknown =>
        new ort.Tensor("float32", data, shape);
      let feeds: Record<string, unknown>;
      if (work.operation === "linear") {
        feeds = { x: tensor(linearInputs(work).x, [work.M, work.I]) };
      } else {
        const shape = [1, work.S, work.H * work.E];
        const { q, k, v } = attentionInputs(work);
        feeds = {
          q: tensor(q, shape),
          k: tensor(k, shape),
          v: tensor(v, shape),
        };
      }
      return {
        async run(times) {
          for (let i = 0; i < times; i++) await session.run(feeds);
        },
        result: async () => (await session.run(feeds)).out.data,
        free: () => session.release(),
      };
    },
  };
}
