import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  countShares,
  createSpace,
  decode,
  encode,
  neighbours,
  nthPoint,
  type Parameter,
  pointAt,
  pointKey,
  type Space,
} from "../../optim/space.ts";
import { assertClose } from "../_compare.ts";

const MIXED: Readonly<Record<string, Parameter>> = {
  rate: { kind: "logFloat", low: 1e-4, high: 1 },
  layers: { kind: "integer", low: -1, high: 2 },
  norm: { kind: "categorical", values: ["none", "layer", "rms"] },
  dropout: { kind: "float", low: 0, high: 0.5 },
  batch: { kind: "integer", low: 8, high: 8 },
  bias: { kind: "categorical", values: [true] },
};

const anyParameter: fc.Arbitrary<Parameter> = fc.oneof(
  fc.tuple(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), fc.nat(1e6)).map(
    ([low, range]): Parameter => ({ kind: "float", low, high: low + range }),
  ),
  fc.tuple(fc.double({ noNaN: true, min: 1e-9, max: 1e9 }), fc.nat(100)).map(
    ([low, factor]): Parameter => ({
      kind: "logFloat",
      low,
      high: low * (1 + factor),
    }),
  ),
  fc.tuple(fc.integer(), fc.nat(1e6)).map(
    ([low, range]): Parameter => ({ kind: "integer", low, high: low + range }),
  ),
  fc.uniqueArray(fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
    minLength: 1,
    maxLength: 60,
  }).map((values): Parameter => ({ kind: "categorical", values })),
);

const anySpace: fc.Arbitrary<Space> = fc
  .dictionary(fc.string(), anyParameter, { minKeys: 1, maxKeys: 6 })
  .map((parameters) => ({
    ...parameters,
    free: { kind: "float", low: 0, high: 1 } as const,
  }))
  .map(createSpace);

const anyShares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 7,
  maxLength: 7,
}).map((shares) => Float64Array.from(shares));

Deno.test("`encode()` puts a point of every kind where it belongs", () => {
  const space = createSpace(MIXED);
  assertEquals(space.dimensions, 6);
  assertEquals(space.size, Infinity);
  assertClose(
    encode(space, {
      rate: 1e-3,
      layers: 1,
      norm: "layer",
      dropout: 0.4,
      batch: 8,
      bias: true,
    }),
    // Thirds of the range of 4 decades; the third of four cells; layer; 80 %.
    [0.25, 0.625, 0, 1, 0, 0.8],
    { absolute: 1e-15 },
  );
});

Deno.test("`decode()` rounds to the cell of an integer and the largest category", () => {
  const space = createSpace(MIXED);
  const at = (integer: number, ...category: number[]) =>
    decode(space, Float64Array.of(0.5, integer, ...category, 1));
  const { rate, ...others } = at(0.74, 0.3, 0.2, 0.4);
  assertClose([rate as number], [0.01], { relative: 1e-15 });
  assertEquals(others, {
    layers: 1,
    norm: "rms",
    dropout: 0.5,
    batch: 8,
    bias: true,
  });
  assertEquals(
    decode(space, Float64Array.of(1, 0.5, 1, 0, 0, 0.5)).rate,
    1,
  );
  assertEquals(at(0, 0, 0, 0).layers, -1);
  assertEquals(at(0.76, 0, 0, 0).layers, 2);
  assertEquals(at(1, 0, 0, 0).layers, 2);
});

Deno.test("`decode()` of `encode()` gives the point back", () => {
  fc.assert(fc.property(anySpace, anyShares, (space, shares) => {
    const point = pointAt(space, shares);
    const x = encode(space, point);
    assert(x.every((coordinate) => coordinate >= 0 && coordinate <= 1));
    const back = decode(space, x);
    for (const { name, parameter } of space.axes) {
      if (parameter.kind === "float" || parameter.kind === "logFloat") {
        const scale = Math.max(
          Math.abs(parameter.low),
          Math.abs(parameter.high),
        );
        assertClose([back[name] as number], [point[name] as number], {
          absolute: 1e-13 * scale,
        });
      } else assertEquals(back[name], point[name]);
    }
  }));
});

Deno.test("`nthPoint()` counts all points of a finite space once", () => {
  const { rate: _, dropout: __, ...finite } = MIXED;
  const space = createSpace(finite);
  const points = Array.from({ length: 12 }, (_, i) => nthPoint(space, i));
  assertEquals(space.size, 12);
  assertEquals(new Set(points.map((p) => pointKey(space, p))).size, 12);
});

Deno.test("`pointAt()` makes equally likely values from uniform shares", () => {
  const space = createSpace(MIXED);
  assertEquals(countShares(space), 4);
  const layers = [0, 0.24, 0.26, 0.6, 0.99, 1].map((share) =>
    pointAt(space, Float64Array.of(0, share, 0, 0)).layers
  );
  assertEquals(layers, [-1, -1, 0, 1, 2, 2]);
  const norms = [0, 0.32, 0.34, 0.67, 1].map((share) =>
    pointAt(space, Float64Array.of(0, 0, share, 0)).norm
  );
  assertEquals(norms, ["none", "none", "layer", "rms", "rms"]);
});

Deno.test("`neighbours()` changes one integer or category at a time", () => {
  const space = createSpace({
    x: { kind: "float", low: 0, high: 1 },
    n: { kind: "integer", low: 1, high: 9 },
    c: { kind: "categorical", values: ["a", "b", "c"] },
  });
  assertEquals(neighbours(space, { x: 0.5, n: 3, c: "b" }), [
    { x: 0.5, n: 2, c: "b" },
    { x: 0.5, n: 4, c: "b" },
    { x: 0.5, n: 1, c: "b" },
    { x: 0.5, n: 5, c: "b" },
    { x: 0.5, n: 7, c: "b" },
    { x: 0.5, n: 3, c: "a" },
    { x: 0.5, n: 3, c: "c" },
  ]);
});

Deno.test("`createSpace()` refuses parameters that cannot be searched", () => {
  const refused: [Parameter, string][] = [
    [{ kind: "float", low: 1, high: 0 }, "least value must not exceed"],
    [{ kind: "float", low: 0, high: NaN }, "bounds must be finite floats"],
    [{ kind: "float", low: -1e308, high: 1e308 }, "must be finite floats"],
    [{ kind: "logFloat", low: 0, high: 1 }, "bounds must be positive"],
    [{ kind: "integer", low: 0.5, high: 2 }, "must be finite integers"],
    [{ kind: "categorical", values: [] }, "must have a value"],
    [{ kind: "categorical", values: ["a", "a"] }, "values must differ"],
    [{ kind: "categorical", values: [NaN] }, "or finite numbers"],
  ];
  for (const [parameter, message] of refused) {
    assertThrows(() => createSpace({ p: parameter }), RangeError, message);
  }
  const fixed: Parameter = { kind: "float", low: 2, high: 2 };
  assertThrows(
    () => createSpace({ fixed }),
    RangeError,
    "must be in [1, 64]: current value is 0",
  );
});

Deno.test("`encode()` refuses points that are not of the space", () => {
  const space = createSpace(MIXED);
  const point = pointAt(space, new Float64Array(4));
  for (
    const wrong of [
      { rate: 2 },
      { rate: "1" },
      { layers: 0.5 },
      {
        norm: "batch",
      },
      { bias: false },
      { dropout: NaN },
    ]
  ) {
    const [name] = Object.keys(wrong);
    assertThrows(
      () => encode(space, { ...point, ...wrong }),
      RangeError,
      `Cannot place a point as parameter "${name}" must be one of`,
    );
  }
  const { rate: _, ...incomplete } = point;
  assertThrows(
    () => encode(space, incomplete),
    RangeError,
    "current value is undefined",
  );
});
