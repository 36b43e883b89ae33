// The memory of the CPU backend: blocks, growth, its limit, and scopes.

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createCpuBackend } from "../../cpu/mod.ts";
import { Arena } from "../../cpu/memory.ts";
import { range } from "../_reference.ts";

const PAGE = 65536;
const MiB = 2 ** 20;

Deno.test("Arena gives out blocks that do not overlap and takes them back", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 40 });
  fc.assert(
    fc.property(sizes, fc.infiniteStream(fc.boolean()), (sizes, frees) => {
      const arena = new Arena();
      const blocks: { address: number; bytes: number }[] = [];
      const size = arena.size;
      for (const bytes of sizes) {
        const address = arena.allocate(bytes);
        assert(address > 0 && address % 64 === 0);
        assert(address + bytes + 28 <= arena.size);
        for (const other of blocks) {
          assert(
            address + bytes <= other.address ||
              other.address + other.bytes <= address,
          );
        }
        blocks.push({ address, bytes });
        if (frees.next().value) {
          const [{ address, bytes }] = blocks.splice(blocks.length >> 1, 1);
          arena.free(address, bytes);
        }
      }
      for (const { address, bytes } of blocks) arena.free(address, bytes);
      assertEquals(arena.used, 0);
      // All of it is one block again.
      arena.allocate(size - 64 - 28);
      assertEquals(arena.size, size);
    }),
  );
});

Deno.test("Arena gives out again what was given back last, to a request of its size", () => {
  const arena = new Arena();
  const [a, b, c] = [500, 500, 1000].map((n) => arena.allocate(n));
  arena.free(a, 500);
  arena.free(c, 1000);
  arena.free(b, 500);
  assertEquals([500, 500, 1000].map((n) => arena.allocate(n)), [b, a, c]);
});

Deno.test("Arena takes the smallest free block that fits before it grows", () => {
  const arena = new Arena();
  const [large, , small] = [1000, 10, 700, 10].map((n) => arena.allocate(n));
  const { size } = arena;
  arena.allocate(size - arena.used - 64 - 28);
  arena.free(large, 1000);
  arena.free(small, 700);
  assertEquals(arena.allocate(490), small);
  assertEquals(arena.allocate(490), large);
  assertEquals(arena.size, size);
});

Deno.test("Arena keeps what is in it when it grows, and its views follow", () => {
  const arena = new Arena();
  const address = arena.allocate(4);
  arena.floats[address / 4] = 1.5;
  const before = arena.floats;
  arena.allocate(10 * MiB);
  assert(arena.floats !== before);
  assertEquals(before.length, 0, "the old view is detached");
  assertEquals(arena.floats[address / 4], 1.5);
  assertEquals(arena.integers[address / 4], 0x3fc00000);
  assertEquals(arena.floats.byteLength, arena.size);
});

Deno.test("Arena grows by steps, not by every block", () => {
  const arena = new Arena();
  const sizes = new Set<number>();
  for (let i = 0; i < 1000; i++) {
    arena.allocate(100_000);
    sizes.add(arena.size);
  }
  assert(sizes.size < 20, `${sizes.size} sizes`);
});

Deno.test("Arena grows by no more than is missing at its end", () => {
  const arena = new Arena(128);
  assert(arena.size < 100 * PAGE);
  arena.allocate(100 * PAGE);
  assertEquals(arena.size, 128 * PAGE);
});

Deno.test("Arena says how much was asked for when its limit is reached", () => {
  const arena = new Arena(100);
  arena.allocate(50 * PAGE);
  assertThrows(
    () => arena.allocate(60 * PAGE),
    RangeError,
    "Cannot allocate a tensor as its 3932160 bytes must fit into 6553600 bytes of memory, of which 3276864 are in use",
  );
  // It is as usable as before.
  arena.free(arena.allocate(30 * PAGE), 30 * PAGE);
  assertEquals(arena.used, 50 * PAGE + 64);
});

Deno.test("a tensor larger than 32 bits can address is refused", () => {
  const backend = createCpuBackend();
  const x = backend.upload(new Float32Array(2), [2, 1]);
  const rows = backend.upload(new Int32Array(1), [1]);
  const wide = { ...x, shape: [2, 2 ** 30] };
  assertThrows(
    () => backend.embed(wide, rows),
    RangeError,
    "its 4294967296 bytes must fit",
  );
});

Deno.test("scope() frees what it made but its result, at any depth", async () => {
  const backend = createCpuBackend();
  const used = backend.memoryUsed;
  const one = () => backend.upload(Float32Array.of(1, 2, 3), [3]);
  const bytes = 64; // of one block
  const result = backend.scope(() => {
    one();
    const inner = backend.scope(() => {
      one();
      return { deep: [one(), { deeper: one() }], name: "x", nothing: null };
    });
    assertEquals(backend.memoryUsed, used + 3 * bytes);
    return { inner, also: one() };
  });
  assertEquals(backend.memoryUsed, used + 3 * bytes);
  const [first, { deeper }] = result.inner.deep as [
    ReturnType<typeof one>,
    { deeper: ReturnType<typeof one> },
  ];
  assertEquals([...await backend.read(deeper)], [1, 2, 3]);
  backend.free([first, deeper, result.also]);
  assertEquals(backend.memoryUsed, used);
});

Deno.test("scope() keeps what was made before it and frees all when it throws", () => {
  const backend = createCpuBackend();
  const used = backend.memoryUsed;
  const x = backend.upload(Float32Array.of(1), [1]);
  const kept = backend.scope(() => x);
  assertEquals(kept, x);
  assertThrows(
    () =>
      backend.scope(() => {
        backend.add(x, x);
        throw new Error("stop");
      }),
    Error,
    "stop",
  );
  assertEquals(backend.memoryUsed, used + 64);
  // Freed by hand inside a scope, it is not freed twice.
  backend.scope(() => {
    const y = backend.add(x, x);
    backend.free([y]);
    return backend.add(x, x);
  });
  assertEquals(backend.memoryUsed, used + 128);
});

Deno.test("a tensor that was freed is refused", () => {
  const backend = createCpuBackend();
  const x = backend.upload(Float32Array.of(1, 2), [2]);
  backend.free([x]);
  assertThrows(
    () => backend.add(x, x),
    TypeError,
    "not freed: current shape is [2]",
  );
});

Deno.test("weights and what rope() computed from frequencies are freed with them", () => {
  const backend = createCpuBackend();
  const used = backend.memoryUsed;
  const weight = backend.uploadWeight(new Float32Array(6), [2, 3]);
  const frequencies = backend.upload(Float32Array.of(1, 0.1), [2]);
  backend.scope(() => {
    const x = backend.upload(new Float32Array(1200), [1, 300, 4]);
    const positions = backend.upload(Int32Array.from(range(300)), [1, 300]);
    backend.rope(x, positions, frequencies);
  });
  assert(backend.memoryUsed > used);
  backend.free([weight, frequencies]);
  assertEquals(backend.memoryUsed, used);
});

Deno.test("results are right across growth of memory", async () => {
  const backend = createCpuBackend();
  const { memorySize } = backend;
  let x = backend.upload(new Float32Array(300_000).fill(1), [300_000]);
  for (let i = 0; i < 6; i++) x = backend.add(x, x);
  assert(backend.memorySize > memorySize);
  assert((await backend.read(x)).every((value) => value === 64));
});
