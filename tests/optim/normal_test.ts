// The normal distribution and the improvement over a threshold, far into both
// tails, against mpmath and BoTorch.

import { assertEquals } from "@std/assert";
import {
  drawNormal,
  logImprovement,
  normalCdf,
  normalHazard,
  normalLogCdf,
  normalLogPdf,
  normalPdf,
} from "../../optim/math/normal.ts";
import { createPrng } from "../../optim/math/random.ts";
import { assertClose } from "../_compare.ts";
import fixture from "../fixtures/optim_normal.json" with { type: "json" };

Deno.test("`normalPdf()` and `normalCdf()` give the values of a printed table", () => {
  // Abramowitz & Stegun, table 26.1.
  assertClose(
    [normalPdf(0), normalPdf(1), normalCdf(1), normalCdf(-1), normalCdf(2)],
    [
      0.398942280401433,
      0.241970724519143,
      0.841344746068543,
      0.158655253931457,
      0.977249868051821,
    ],
    { absolute: 1e-15 },
  );
});

Deno.test("`normalLogPdf()` is the logarithm of `normalPdf()`", () => {
  const xs = [-5, -1, 0, 0.5, 6];
  assertClose(
    xs.map(normalLogPdf),
    xs.map((x) => Math.log(normalPdf(x))),
    { relative: 1e-15 },
  );
});

Deno.test("`normalCdf()` of x and of −x are one together", () => {
  for (let x = 0; x < 9; x += 0.1) {
    assertClose([normalCdf(x) + normalCdf(-x)], [1], { absolute: 2e-16 });
  }
});

Deno.test("`normalLogCdf()` and `normalHazard()` agree with mpmath from -1e100 to 1e100", () => {
  // Further right Φ is 1 and its logarithm too small for a number.
  const count = fixture.z.filter((z) => z < 38).length;
  const z = fixture.z.slice(0, count);
  assertClose(z.map(normalLogCdf), fixture.logCdf.slice(0, count), {
    relative: 1e-14,
  });
  assertClose(z.map(normalHazard), fixture.hazard.slice(0, count), {
    relative: 1e-13,
  });
  assertEquals(
    fixture.z.slice(count).map(normalLogCdf).every((v) => v <= 0),
    true,
  );
});

Deno.test("`logImprovement()` agrees with mpmath from -1e100 to 1e100", () => {
  const values = fixture.z.map((z) => logImprovement(z).value);
  // The value is 0 at z = 0.9: the error there is that of h, which is 1.
  assertClose(values, fixture.logImprovement, {
    relative: 1e-14,
    absolute: 3e-16,
  });
});

Deno.test("`logImprovement()` agrees with BoTorch from -1e100 to 1e100", () => {
  const values = fixture.z.map((z) => logImprovement(z).value);
  assertClose(values, fixture.botorchLogImprovement, {
    relative: 1e-10,
    absolute: 1e-15,
  });
});

Deno.test("`logImprovement()` has the slope that mpmath finds, where BoTorch's is 4e-7 off", () => {
  const slopes = fixture.z.map((z) => logImprovement(z).probability);
  assertClose(slopes, fixture.logImprovementSlope, { relative: 1e-14 });
  assertClose(slopes, fixture.botorchLogImprovementSlope, { relative: 1e-6 });
});

Deno.test("`logImprovement()` grows with z across its branches", () => {
  let before = -Infinity;
  for (let z = -60; z < 10; z += 0.01) {
    const { value } = logImprovement(z);
    assertEquals(value > before, true, `at ${z}`);
    before = value;
  }
});

Deno.test("`drawNormal()` has the moments of a standard normal", () => {
  const random = createPrng(3);
  const draws = Array.from({ length: 20_000 }, () => drawNormal(random));
  const moment = (k: number) =>
    draws.reduce((sum, x) => sum + x ** k, 0) / draws.length;
  // Standard errors are 0.007, 0.01, 0.027 and 0.07.
  assertClose([moment(1), moment(2), moment(3), moment(4)], [0, 1, 0, 3], {
    absolute: 0.2,
  });
  assertClose([moment(1), moment(2)], [0, 1], { absolute: 0.03 });
});
