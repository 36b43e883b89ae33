/**
 * Another library's kernels, as a process that bench/cpu.ts or bench/gpu.ts
 * gives work to.
 *
 *     deno run -A bench/peers/kernels/run.ts tfjs
 *
 * It sends its name first. A line is then a `Work`, answered by numbers of the
 * result, or a number of runs, answered by seconds. An error is answered by
 * `{ error }`.
 */
// deno-lint-ignore-file no-console

import { createJax } from "./jax.ts";
import { createOnnxNode, createOnnxWeb, createOnnxWebGpu } from "./onnx.ts";
import { createTensorFlow } from "./tfjs.ts";
import {
  type Contestant,
  measureRun,
  type Prepared,
  type Work,
} from "./work.ts";

const PEERS: Readonly<Record<string, () => Promise<Contestant>>> = {
  tfjs: () => createTensorFlow("wasm"),
  "onnxruntime-web": createOnnxWeb,
  "jax-js": () => createJax("wasm"),
  "onnxruntime-node": createOnnxNode,
  "tfjs-webgpu": () => createTensorFlow("webgpu"),
  "onnxruntime-webgpu": createOnnxWebGpu,
  "jax-js-webgpu": () => createJax("webgpu"),
};

/** Lines of standard input. */
async function* lines(): AsyncGenerator<string, void> {
  let rest = "";
  for await (
    const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  ) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

function answer(value: unknown): void {
  console.log(JSON.stringify(value));
}

/** How many numbers of a result are compared. */
const COMPARED = 64;

let prepared: Prepared | undefined;

async function obey(command: Work | { times: number }): Promise<unknown> {
  if ("times" in command) {
    return await measureRun(prepared!, command.times);
  }
  await prepared?.free();
  prepared = undefined;
  prepared = await peer.prepare(command);
  const result = await prepared.result();
  return { numbers: Array.from(result).slice(0, COMPARED) };
}

let peer: Contestant;
try {
  peer = await PEERS[Deno.args[0]]();
} catch (error) {
  answer({ error: String(error) });
  Deno.exit(1);
}
answer({ name: peer.name });
for await (const line of lines()) {
  try {
    answer(await obey(JSON.parse(line)));
  } catch (error) {
    answer({ error: String(error) });
  }
}
