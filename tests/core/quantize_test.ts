// Weights in fewer bits: examples worked by hand, the bound on the error, what
// survives exactly, and what cannot be stored.

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  checkWeights,
  dequantizeRows,
  quantizeRows,
  storedValues,
  WEIGHT_TYPES,
  weightBytes,
  type WeightType,
} from "../../core/mod.ts";
import { randomFloats, randomInteger, seededRandom } from "../_random.ts";

const INTEGER_TYPES = ["int8", "int4"] as const;

/** The largest magnitudes of the integers: of one sign, and of the other. */
const ENDS = { int8: [127, 127], int4: [8, 7] } as const;

/** Rows of weights of any magnitude, some of them zero, and their length. */
const weights = fc.tuple(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: -140, max: 120 }),
  fc.nat(),
).map(([width, rows, exponent, seed]) => {
  const random = seededRandom(seed);
  const data = randomFloats(random, width * rows).map((w) =>
    random() < 0.1 ? 0 : w * 2 ** exponent
  );
  return { width, data };
});

Deno.test("quantizeRows() gives each row in 8 bits a scale", () => {
  const data = Float32Array.of(12.7, -6.34, 0.06, 0, 254, -254, 1, 1.1);
  const { values, scales } = quantizeRows(data, { width: 4, type: "int8" });
  assertEquals([...values], [127, -63, 1, 0, 127, -127, 1, 1]);
  assertEquals([...scales], [Math.fround(Math.fround(12.7) / 127), 2]);
});

Deno.test("quantizeRows() gives each group in 4 bits a scale, negative where −8 serves the positive side", () => {
  const data = new Float32Array(67);
  data.set([-16, 14, 4, 2]);
  data.set([4, -2.5, 0.5], 64);
  const { values, scales } = quantizeRows(data, { width: 67, type: "int4" });
  assertEquals([...scales], [2, -0.5]);
  assertEquals([...values.subarray(0, 4)], [-8, 7, 2, 1]);
  assertEquals([...values.subarray(64)], [-8, 5, -1]);
});

for (const type of INTEGER_TYPES) {
  Deno.test(`quantizeRows() leads no weight further astray than half a step (${type})`, () =>
    fc.assert(
      fc.property(weights, ({ width, data }) => {
        const { values, scales } = quantizeRows(data, { width, type });
        const size = type === "int8" ? width : 64;
        const groups = Math.ceil(width / size);
        for (const [i, w] of data.entries()) {
          const row = Math.floor(i / width);
          const scale = scales[row * groups + Math.floor(i % width / size)];
          const error = Math.abs(w - values[i] * scale);
          assert(error <= (0.5 + 5e-7) * Math.abs(scale), `${w}: ${error}`);
        }
      }),
      { numRuns: 300 },
    ));

  Deno.test(`quantizeRows() keeps what is on a grid already, whatever its end (${type})`, () => {
    const random = seededRandom(1);
    const [most, least] = ENDS[type];
    for (let run = 0; run < 300; run++) {
      // So few bits that no product is rounded.
      const scale = randomInteger(random, 1, 999) *
        2 ** randomInteger(random, -40, 40);
      const sign = random() < 0.5 ? 1 : -1;
      const data = Float32Array.from(
        { length: 64 },
        () => scale * sign * randomInteger(random, -most, least),
      );
      // One weight at an end of the grid, on either side.
      data[randomInteger(random, 0, 63)] = scale * sign *
        (random() < 0.5 ? -most : least);
      assertEquals(storedValues(type, data, 64), data.map((w) => w + 0));
    }
  });
}

Deno.test("quantizeRows() in 4 bits errs less than −7 to 7 times a 7th of the largest", () => {
  const random = seededRandom(2);
  // Sums of uniform numbers: nearly normal.
  const data = Float32Array.from({ length: 64 * 500 }, () => {
    let sum = 0;
    for (let i = 0; i < 8; i++) sum += random() - 0.5;
    return sum;
  });
  const squares = (stored: Float32Array): number =>
    stored.reduce((sum, w, i) => sum + (w - data[i]) ** 2, 0);
  const symmetric = data.map((w, i) => {
    const group = data.subarray(i - i % 64, i - i % 64 + 64);
    const scale = Math.max(...group.map(Math.abs)) / 7;
    return Math.round(w / scale) * scale;
  });
  const ratio = Math.sqrt(
    squares(storedValues("int4", data, 64)) / squares(symmetric),
  );
  assert(0.8 < ratio && ratio < 0.88, `${ratio}`);
});

Deno.test("dequantizeRows() gives each group its own scale", () => {
  const values = Int8Array.from(
    { length: 130 },
    (_, i) => i % 65 === 64 ? 3 : 2,
  );
  const scales = Float32Array.of(1, 10, 100, 0.5);
  const rows = dequantizeRows({ values, scales }, { width: 65, type: "int4" });
  assertEquals([rows[0], rows[63], rows[64]], [2, 2, 30]);
  assertEquals([rows[65], rows[128], rows[129]], [200, 200, 1.5]);
});

Deno.test("storedValues() rounds to the nearest half, ties to even", () => {
  const [ulp, least] = [2 ** -10, 2 ** -24];
  const data = Float32Array.of(
    ...[1 + 0.5 * ulp, 1 + 1.5 * ulp, 1 + 0.51 * ulp, 65519],
    ...[0.5 * least, 0.51 * least, 1.5 * least, -0.1],
  );
  assertEquals([...storedValues("f16", data, 8)], [
    ...[1, 1 + 2 * ulp, 1 + ulp, 65504],
    ...[0, least, 2 * least, -0.0999755859375],
  ]);
});

Deno.test("storedValues() gives 32-bit weights back, in an array of their own", () => {
  const data = Float32Array.of(1, NaN, -Infinity, 0.1);
  const stored = storedValues("f32", data, 2);
  assertEquals(stored, data);
  assert(stored.buffer !== data.buffer);
});

Deno.test("checkWeights() names a value that cannot be stored, and where it is", () => {
  const hostile: [WeightType, number, string][] = [
    ["int8", NaN, "current value is NaN in row 1, column 2"],
    ["int4", -Infinity, "current value is -Infinity in row 1, column 2"],
    ["f16", NaN, "must be below 65520 in magnitude: current value is NaN"],
    ["int8", 2 ** 127, "must be below 1.7014118346046923e+38 in magnitude"],
    ["f16", -65520, "current value is -65520 in row 1, column 2"],
  ];
  for (const [type, value, message] of hostile) {
    const data = new Float32Array(8);
    data[6] = value;
    assertThrows(() => checkWeights(type, data, 4), RangeError, message);
    assertThrows(() => storedValues(type, data, 4), RangeError, type);
    checkWeights("f32", data, 4);
  }
});

Deno.test("storedValues() stays finite at the ends of 32-bit floats", () => {
  const largest = (2 - 2 ** -23) * 2 ** 126;
  for (const type of INTEGER_TYPES) {
    for (const w of [largest, -largest, 2 ** -149, 0]) {
      const data = Float32Array.of(w, w / 2, 0, -w / 3);
      const stored = storedValues(type, data, 4);
      assert(stored.every(Number.isFinite), `${type}: ${stored}`);
    }
  }
});

Deno.test("weightBytes() counts values and scales", () => {
  assertEquals(
    WEIGHT_TYPES.map((type) => weightBytes(type, [10, 128])),
    [5120, 2560, 10 * (128 + 4), 10 * (64 + 8)],
  );
  assertEquals(weightBytes("int4", [3, 65]), 3 * (33 + 8));
});
