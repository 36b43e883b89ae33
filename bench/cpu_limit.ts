/**
 * The limits of one core in WebAssembly: multiply-adds without memory, and reading
 * memory without arithmetic.
 */

import { weightBytes } from "../core/mod.ts";
import {
  type Expression,
  f32,
  f32x4,
  i32,
  Module,
  v128,
} from "../cpu/assembler.ts";
import {
  hasRelaxedSimd,
  multiplyThenAdd,
  relaxedMultiplyAdd,
} from "../cpu/relaxed.ts";

import type { Prepared, Work } from "./peers/kernels/work.ts";

/** Independent sums, enough to hide the latency of a multiply-add. */
const SUMS = 12;
const UNROLL = 4;
/** Floating-point operations of one iteration. */
const FLOP_PER_TURN = SUMS * UNROLL * 4 * 2;

const LINE_BYTES = 64;
const FIRST_BYTE = 2 ** 16;

/** The sum of all vectors, which depends on each of them. */
function sum(vectors: readonly Expression<"v128">[]): Expression<"f32"> {
  const total = vectors.reduce((a, b) => f32x4.add(a, b));
  return [1, 2, 3].reduce(
    (lanes, lane) => f32.add(lanes, f32x4.extractLane(total, lane)),
    f32x4.extractLane(total, 0),
  );
}

/** The work's number of floating-point operations, all in registers. */
export function prepareArithmetic(flop: number): Prepared {
  const madd = hasRelaxedSimd() ? relaxedMultiplyAdd : multiplyThenAdd;
  const module = new Module();
  module.function(["i32"], (body, turns) => {
    const [a, b] = [body.let(f32x4.const(0.5)), body.let(f32x4.const(0.25))];
    const sums = Array.from(
      { length: SUMS },
      (_, i) => body.let(f32x4.const(i)),
    );
    const turn = body.local("i32");
    body.for(turn, { from: 0, to: turns }, () => {
      for (let i = 0; i < UNROLL; i++) {
        for (const sum of sums) body.set(sum, madd(a, b, sum));
      }
    });
    return sum(sums);
  }, "compute");
  const compute = instantiate(module).compute as (turns: number) => number;
  const turns = Math.ceil(flop / FLOP_PER_TURN);
  return {
    run(times) {
      for (let i = 0; i < times; i++) compute(turns);
    },
    result: () => [compute(turns)],
    free: () => {},
  };
}

/**
 * Reads a number of bytes in several streams side by side. A processor prefetches
 * each of them, so several are faster than one.
 */
export function prepareReading(bytes: number, streams: number): Prepared {
  const pages = (FIRST_BYTE + bytes) / 2 ** 16;
  const module = new Module();
  module.exportMemory("memory", { initial: pages, maximum: pages });
  module.function(["i32"], (body, length) => {
    const sums = Array.from({ length: 8 }, () => body.local("v128"));
    const first = body.let(i32.const(FIRST_BYTE));
    const pointers = [first];
    while (pointers.length < streams) {
      pointers.push(body.let(i32.add(pointers.at(-1)!, length)));
    }
    const at = body.local("i32");
    body.for(at, { from: 0, to: length, step: LINE_BYTES }, () => {
      for (const [p, pointer] of pointers.entries()) {
        for (let i = 0; i < 4; i++) {
          const sum = sums[(4 * p + i) % sums.length];
          body.set(sum, f32x4.add(sum, v128.load(pointer, 16 * i)));
        }
        body.set(pointer, i32.add(pointer, LINE_BYTES));
      }
    });
    return sum(sums);
  }, "read");
  const exports = instantiate(module);
  const read = exports.read as (bytesPerStream: number) => number;
  const { buffer } = exports.memory as WebAssembly.Memory;
  // Memory that was never written is one cached page of zeros.
  new Float32Array(buffer).fill(1);
  const length = Math.floor(bytes / streams / LINE_BYTES) * LINE_BYTES;
  return {
    run(times) {
      for (let i = 0; i < times; i++) read(length);
    },
    result: () => [read(length)],
    free: () => {},
  };
}

/** The least bytes that the work reads, where reading limits it. */
export function bytesOf(work: Work): number | undefined {
  return work.operation === "linear" && work.M === 1
    ? weightBytes(work.weightType, [work.O, work.I])
    : undefined;
}

function instantiate(module: Module): WebAssembly.Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(module.encode()))
    .exports;
}
