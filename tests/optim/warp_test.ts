import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  fitWarp,
  unwarpValue,
  type Warp,
  warpValue,
} from "../../optim/warp.ts";
import { assertClose } from "../_compare.ts";
import fixture from "../fixtures/yeo_johnson.json" with { type: "json" };

const values = Float64Array.from(fixture.values);

Deno.test("`warpValue()` agrees with SciPy's yeojohnson()", () => {
  for (const { lambda, warped } of fixture.fits) {
    const warp = { ...fitWarp(values), lambda };
    assertClose(
      values.map((value) => warpValue(warp, value)),
      warped,
      { relative: 1e-12, absolute: 1e-14 },
      `λ = ${lambda}`,
    );
  }
});

Deno.test("`fitWarp()` finds the λ that SciPy says is most likely", () => {
  assertEquals(fitWarp(values).lambda, fixture.best);
  assertEquals(fitWarp(values.map((value) => -value)).lambda, 2 - fixture.best);
});

Deno.test("`fitWarp()` leaves values as they are when it cannot learn", () => {
  assertEquals(fitWarp(Float64Array.of(5)), { center: 5, scale: 1, lambda: 1 });
  assertEquals(fitWarp(Float64Array.of(-2, -2, -2)).scale, 1);
  assertEquals(fitWarp(Float64Array.of(1, 3)).lambda, 1);
  // Half of them are equal, so that the interquartile range is 0.
  assertEquals(fitWarp(Float64Array.of(0, 4, 4, 4, 4, 4, 6)).scale, 6);
});

Deno.test("`unwarpValue()` undoes `warpValue()`, which keeps the order", () => {
  const anyWarp: fc.Arbitrary<Warp> = fc.record({
    center: fc.double({ min: -1e12, max: 1e12, noNaN: true }),
    scale: fc.double({ min: 1e-12, max: 1e12, noNaN: true }),
    lambda: fc.nat(40).map((i) => i / 20),
  });
  const anyStep = fc.double({ min: 1e-6, max: 10, noNaN: true });
  const anyV = fc.double({ min: -30, max: 30, noNaN: true });
  fc.assert(fc.property(anyWarp, anyV, anyStep, (warp, v, step) => {
    const value = warp.center + warp.scale * v;
    const larger = warp.center + warp.scale * (v + step);
    assertClose([unwarpValue(warp, warpValue(warp, value))], [value], {
      absolute: 1e-11 * warp.scale + 1e-15 * Math.abs(warp.center),
    });
    if (larger > value) {
      assert(warpValue(warp, larger) > warpValue(warp, value));
    }
  }));
});
