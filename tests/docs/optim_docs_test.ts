// The numbers of docs/bayesian-optimisation.md, computed anew.

import { assertEquals } from "@std/assert";
import {
  askBayes,
  createGaussianProcess,
  createPredictor,
  crossCovariance,
  initBayes,
  logExpectedImprovement,
  maximizeAcquisition,
  tellBayes,
} from "../../optim/mod.ts";
import { assertClose } from "../_compare.ts";
import { readPage } from "../_docs.ts";

const { table, stated } = await readPage("bayesian-optimisation.md");

const inputs = Float64Array.of(0, 0.5, 1);
const gp = createGaussianProcess(
  { inputs, outputs: Float64Array.of(-1, 1, 0) },
  "matern52",
  {
    lengthScales: Float64Array.of(0.5),
    outputScale: 1,
    noise: 0.01,
    mean: 0,
  },
);
const logEi = logExpectedImprovement(gp, 1);

Deno.test("the guide's observations are standardised as they stand", () => {
  assertEquals(
    table(/^\| x\s+\|\s+y \|$/),
    [...inputs].map((x, i) => [x, gp.outputs[i]]),
  );
  assertEquals([gp.outputMean, gp.outputDeviation], [0, 1]);
});

Deno.test("the guide's covariance matrix, factor and weights are right", () => {
  const covariance = crossCovariance(
    "matern52",
    inputs,
    inputs,
    Float64Array.of(0.5),
  );
  table(/^\| K /).forEach((row, i) => {
    const k = Array.from(covariance.subarray(3 * i, 3 * i + 3));
    k[i] += 0.01;
    assertClose(row.slice(0, 3), k, { absolute: 5.1e-4 });
    const l = gp.factor.subarray(3 * i, 3 * i + 3);
    assertClose(row.slice(4, 7), l, { absolute: 5.1e-4 });
    assertClose(row.slice(8), [gp.weights[i]], { absolute: 5.1e-5 });
  });
});

Deno.test("the guide's predictions and improvements are right", () => {
  const predict = createPredictor(gp);
  const rows = table(/\| *mean \|/);
  assertEquals(rows.length, 5);
  for (const [x, mean, deviation, improvement] of rows) {
    const prediction = predict(Float64Array.of(x), false);
    assertClose(
      [mean, deviation],
      [prediction.mean, Math.sqrt(prediction.variance)],
      { absolute: 5.1e-5 },
    );
    const value = logEi(Float64Array.of(x), null);
    assertClose([improvement], [value], { absolute: 5.1e-4 });
  }
  const candidates = Float64Array.from({ length: 50 }, (_, i) => i / 49);
  const [{ x, value }] = maximizeAcquisition(logEi, 1, { candidates });
  assertClose([stated(" is at x = ")], x, { absolute: 5.1e-5 });
  assertClose([stated("The largest log EI, ")], [value], { absolute: 5.1e-4 });
});

Deno.test("the guide's optimisation takes the steps it says", () => {
  let state = initBayes({
    parameters: { x: { kind: "float", low: 0, high: 1 } },
    goal: "minimise",
    startingPoints: 3,
    seed: 3,
  });
  const rows = table(/\| evaluation \|/);
  assertEquals(rows.length, 9);
  for (const [, x, value, improvement] of rows) {
    const { state: asked, points: [point], logImprovement } = askBayes(state);
    const told = point.x as number;
    const f = (6 * told - 2) ** 2 * Math.sin(12 * told - 4);
    state = tellBayes(asked, point, f);
    assertClose([x], [told], { absolute: 5.1e-5 });
    assertClose([value], [f], { absolute: 5.1e-5 });
    assertClose([improvement], [logImprovement ?? NaN], { absolute: 5.1e-3 });
  }
});
