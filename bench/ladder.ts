/**
 * The ladder of docs/kernels.md: one product by plain loops, by the CPU backend,
 * by the naive and by the tiled kernel of a GPU; and tiles of the WebAssembly
 * kernel, alone and in the cache.
 *
 *     deno task bench:ladder [--rounds N]
 *
 * Everybody takes turns and must compute the same numbers first. Medians of the
 * rounds, of processor time where the GPU is software, as others use the machine.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import {
  type Backend,
  createReferenceBackend,
  multiplyMatrices,
  type Tensor,
} from "../core/mod.ts";
import { i32, Module } from "../cpu/assembler.ts";
import { packRows } from "../cpu/kernels/linear_pack.ts";
import { addTile, PANEL_COLUMNS } from "../cpu/kernels/linear_tile.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import {
  hasRelaxedSimd,
  multiplyThenAdd,
  relaxedMultiplyAdd,
} from "../cpu/relaxed.ts";
import { backendOn } from "../gpu/backend.ts";
import { createContext } from "../gpu/context.ts";
import { gpuName, isSoftware, requestGpu } from "../gpu/mod.ts";
import { assertClose } from "../tests/_compare.ts";
import { NAIVE_LINEAR } from "../tests/_naive_kernel.ts";
import { prepareArithmetic } from "./cpu_limit.ts";
import { markdownTable } from "./markdown.ts";
import { flopOf, linearInputs, type LinearWork } from "./peers/kernels/work.ts";
import {
  type Clock,
  median,
  runHere,
  type Runner,
  takeTurns,
} from "./turns.ts";

const WORK: LinearWork = {
  operation: "linear",
  M: 512,
  I: 512,
  O: 512,
  weightType: "f32",
};
const TOLERANCE = { relative: 1e-4, absolute: 1e-4 };

/** Rows and panels of the tiles. */
const TILES = [[1, 1], [4, 1], [6, 1], [3, 2], [8, 1], [4, 2]] as const;
/** Inputs, so few that all a tile reads stays in the first-level cache. */
const TILE_INPUTS = 256;
/** Calls of a tile in a run. */
const CALLS = 1000;

/** Medians of turns, in GFLOP/s. */
async function rates(
  runners: readonly { readonly runner: Runner; readonly flop: number }[],
  rounds: number,
): Promise<number[]> {
  const turns = { rounds, duration: 0.1, warmUps: 3 };
  const seconds = await takeTurns(runners.map(({ runner }) => runner), turns);
  return runners.map(({ flop }, i) => flop / median(seconds[i]) / 1e9);
}

/** Runs work and waits for its end. */
const runner = (name: string, clock: Clock, run: () => unknown): Runner =>
  runHere(name, {
    async run(times) {
      for (let i = 0; i < times; i++) await run();
    },
  }, clock);

/** The product, from loops to kernels. */
async function printLadder(rounds: number): Promise<void> {
  const { M, I, O } = WORK;
  const { x, weight } = linearInputs(WORK);
  const expected = multiplyMatrices(x, weight, { M, O, I });

  const cpu = createCpuBackend();
  const device = await requestGpu();
  const context = createContext(device);
  const gpu = backendOn(context);
  const onCpu = {
    x: cpu.upload(x, [M, I]),
    weight: cpu.uploadWeight(weight, [O, I]),
  };
  const onGpu = {
    x: gpu.upload(x, [M, I]),
    rows: gpu.upload(weight, [O, I]),
    weight: gpu.uploadWeight(weight, [O, I]),
  };
  /** Reads the result of an operation and frees it. */
  const take = async (backend: Backend, out: Tensor): Promise<Float32Array> => {
    const values = await backend.read(out);
    backend.free([out]);
    return values;
  };
  const runNaive = (): Tensor => {
    const out = context.tensors.make("float", [M, O]);
    context.runner.run(NAIVE_LINEAR, {
      inputs: [onGpu.x, onGpu.rows],
      outputs: [out],
      sizes: { rows: M, columns: O, depth: I },
      constants: {},
    });
    return out;
  };
  const steps: Readonly<
    Record<string, () => ArrayLike<number> | Promise<ArrayLike<number>>>
  > = {
    "plain loops": () => multiplyMatrices(x, weight, { M, O, I }),
    "WebAssembly SIMD": () => take(cpu, cpu.linear(onCpu.x, onCpu.weight)),
    "WebGPU, naive": () => take(gpu, runNaive()),
    "WebGPU, tiled": () => take(gpu, gpu.linear(onGpu.x, onGpu.weight)),
  };
  const names = Object.keys(steps);
  const clock = isSoftware(device.adapterInfo) ? "processor" : "wall";
  for (const name of names) {
    assertClose(await steps[name](), expected, TOLERANCE, name);
  }
  const flop = flopOf(WORK);
  const measured = await rates(
    names.map((name) => ({ runner: runner(name, clock, steps[name]), flop })),
    rounds,
  );
  console.log(
    `${M}×${I} times ${I}×${O}, WebGPU on ${gpuName(device.adapterInfo)}:\n`,
  );
  console.log(markdownTable([
    ["kernel", "GFLOP/s", "× plain loops"],
    ...names.map((name, i) => [
      name,
      measured[i].toFixed(2),
      (measured[i] / measured[0]).toFixed(1),
    ]),
  ]));
  device.destroy();
}

/** A tile, ready to be called. */
interface Tile {
  readonly name: string;
  /** Floating-point operations of a call. */
  readonly flop: number;
  run(calls: number): void;
}

/** Compiles a tile, and compares what it computes with the reference. */
async function prepareTile(rows: number, panels: number): Promise<Tile> {
  const [I, O] = [TILE_INPUTS, panels * PANEL_COLUMNS];
  const work: LinearWork = { ...WORK, M: rows, I, O };
  const [x, w, out] = [2 ** 16, 2 ** 17, 2 ** 18]; // where they lie, in bytes
  const madd = hasRelaxedSimd() ? relaxedMultiplyAdd : multiplyThenAdd;
  const module = new Module();
  module.exportMemory("memory", { initial: 8, maximum: 8 });
  const tile = addTile(module, madd, rows, panels);
  module.function(["i32"], (body, calls) => {
    const call = body.local("i32");
    body.for(call, { from: 0, to: calls }, () => {
      const [xNow, wNow, outNow] = [x, w, out].map((at) => i32.const(at));
      const sizes = [I, O, PANEL_COLUMNS].map((size) => i32.const(size));
      body.do(tile(xNow, wNow, outNow, sizes[0], sizes[1], sizes[2]));
    });
  }, "run");
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(module.encode()),
  );
  const run = exports.run as Tile["run"];
  const { buffer } = exports.memory as WebAssembly.Memory;

  const { x: xValues, weight } = linearInputs(work);
  new Float32Array(buffer, x).set(xValues);
  packRows(new Uint32Array(buffer, w, O * I), weight, {
    type: "f32",
    width: I,
    start: 0,
  });
  run(1);
  const reference = createReferenceBackend();
  const expected = reference.linear(
    reference.upload(xValues, [rows, I]),
    reference.uploadWeight(weight, [O, I]),
  );
  const values = new Float32Array(buffer, out, rows * O);
  assertClose(values, await reference.read(expected), TOLERANCE);
  return { name: `${rows} × ${O}`, flop: flopOf(work), run };
}

/** Tiles, each called again and again with the same rows and panels. */
async function printTiles(rounds: number): Promise<void> {
  const tiles: Tile[] = [];
  for (const [rows, panels] of TILES) {
    tiles.push(await prepareTile(rows, panels));
  }
  const flop = CALLS * tiles[0].flop;
  const limit = runHere("limit", prepareArithmetic(flop), "processor");
  const [most, ...measured] = await rates([
    { runner: limit, flop },
    ...tiles.map(({ name, flop, run }) => ({
      runner: runner(name, "processor", () => run(CALLS)),
      flop: CALLS * flop,
    })),
  ], rounds);
  console.log(
    `\nTiles with ${TILE_INPUTS} inputs, registers alone ${
      most.toFixed(1)
    } GFLOP/s:\n`,
  );
  console.log(markdownTable([
    ["tile R × C", "GFLOP/s", "of registers alone"],
    ...tiles.map(({ name }, i) => [
      name,
      measured[i].toFixed(1),
      `${(100 * measured[i] / most).toFixed(0)} %`,
    ]),
  ]));
}

const { rounds } = parseArgs(Deno.args, {
  string: ["rounds"],
  default: { rounds: "9" },
});
await printLadder(Number(rounds));
await printTiles(Number(rounds));
