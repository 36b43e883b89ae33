/**
 * ONNX Runtime: compiled to WebAssembly with one thread, on WebGPU, and native
 * with one thread (the ceiling). Weights are constants of the graph, so that it
 * packs them when it loads.
 */
// deno-lint-ignore-file no-explicit-any -- packages come without their types

import { attentionModel, linearModel } from "./onnx_model.ts";
import { folderOf, importPackage, versionOf } from "./packages.ts";
import {
  attentionInputs,
  type Contestant,
  linearInputs,
  type Work,
} from "./work.ts";

/** onnxruntime-web with the CPU backend in WebAssembly. */
export async function createOnnxWeb(): Promise<Contestant> {
  const ort = await importPackage("onnxruntime-web");
  configure(ort);
  const version = versionOf("onnxruntime-web");
  return createOnnx(ort, {
    name: `onnxruntime-web ${version} WASM, 1 thread`,
    provider: "wasm",
  });
}

/** onnxruntime-node with the native CPU backend. */
export async function createOnnxNode(): Promise<Contestant> {
  const ort = await importPackage("onnxruntime-node");
  const version = versionOf("onnxruntime-node");
  return createOnnx(ort, {
    name: `onnxruntime-node ${version} native, 1 thread`,
    provider: "cpu",
  });
}

/** onnxruntime-web on WebGPU, with inputs and outputs that stay there. */
export async function createOnnxWebGpu(): Promise<Contestant> {
  const ort = await importPackage("onnxruntime-web/webgpu");
  configure(ort);
  let device: GPUDevice;
  return createOnnx(ort, {
    name: `onnxruntime-web ${versionOf("onnxruntime-web")} WebGPU`,
    provider: "webgpu",
    async upload(type, data, dims) {
      device = await ort.env.webgpu.device;
      const buffer = device.createBuffer({
        size: data.byteLength,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC |
          GPUBufferUsage.COPY_DST,
      });
      device.queue.writeBuffer(buffer, 0, data);
      const dispose = (): void => buffer.destroy();
      return ort.Tensor.fromGpuBuffer(buffer, {
        dataType: type,
        dims,
        dispose,
      });
    },
    finish: () => device.queue.onSubmittedWorkDone(),
  });
}

function configure(ort: any): void {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = folderOf("onnxruntime-web");
}

/** An execution provider and how inputs get there. */
interface Provider {
  readonly name: string;
  readonly provider: string;
  /** Default: they stay in the host's memory. */
  upload?(
    type: string,
    data: Float32Array<ArrayBuffer> | Float16Array<ArrayBuffer>,
    shape: readonly number[],
  ): Promise<unknown>;
  /** Waits for all that was submitted. */
  finish?(): Promise<void>;
}

/** Inputs by name, with their shapes. */
function inputsOf(work: Work): [string, Float32Array, number[]][] {
  if (work.operation === "linear") {
    return [["x", linearInputs(work).x, [work.M, work.I]]];
  }
  return Object.entries(attentionInputs(work)).map((
    [name, data],
  ) => [name, data, [1, work.S, work.H * work.E]]);
}

function createOnnx(
  ort: any,
  { name, provider, upload, finish }: Provider,
): Contestant {
  upload ??= (type, data, shape) =>
    Promise.resolve(new ort.Tensor(type, data, shape));
  return {
    name,
    async prepare(work) {
      const isLinear = work.operation === "linear";
      const session = await ort.InferenceSession.create(
        isLinear
          ? linearModel(work, linearInputs(work).weight)
          : attentionModel(work),
        {
          executionProviders: [provider],
          intraOpNumThreads: 1,
          interOpNumThreads: 1,
          preferredOutputLocation: provider === "webgpu" ? "gpu-buffer" : "cpu",
        },
      );
      const half = isLinear && work.weightType === "f16";
      const feeds: Record<string, any> = {};
      for (const [input, data, shape] of inputsOf(work)) {
        feeds[input] = half
          ? await upload("float16", Float16Array.from(data), shape)
          : await upload("float32", Float32Array.from(data), shape);
      }
      const once = async (): Promise<any> => (await session.run(feeds)).out;
      return {
        async run(times) {
          for (let i = 0; i < times; i++) (await once()).dispose();
          await finish?.();
        },
        async result() {
          const out = await once();
          const values = (await out.getData()).slice();
          out.dispose();
          return values instanceof Uint16Array
            ? new Float16Array(values.buffer)
            : values;
        },
        async free() {
          for (const input of Object.values(feeds)) input.dispose();
          await session.release();
        },
      };
    },
  };
}
