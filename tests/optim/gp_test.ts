// Gaussian processes: what they predict, against scikit-learn and by the
// identities they obey.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { crossCovariance } from "../../optim/gp/covariance.ts";
import {
  condition,
  createGaussianProcess,
  createPredictor,
  type GaussianProcess,
  leaveOneOut,
  predictJointly,
  samplePosterior,
} from "../../optim/gp/gp.ts";
import { standardise } from "../../optim/gp/observations.ts";
import { createPrng } from "../../optim/math/random.ts";
import { assertClose } from "../_compare.ts";
import { D, M, N, NAMES, POINTS, sklearnProcess } from "../_gp.ts";
import sklearn from "../fixtures/optim_sklearn.json" with { type: "json" };

/** Central differences of a function of several variables. */
function differences(
  f: (x: Float64Array) => number,
  x: Float64Array,
  h: number,
): Float64Array {
  return x.map((value, i) =>
    (f(x.with(i, value + h)) - f(x.with(i, value - h))) / (2 * h)
  );
}

for (const name of NAMES) {
  const expected = sklearn.cases[name];

  Deno.test(`\`predictJointly()\` of ${name} agrees with scikit-learn`, () => {
    const gp = sklearnProcess(name);
    const { mean, covariance } = predictJointly(gp, POINTS);
    const { outputMean, outputDeviation } = gp;
    assertClose(
      mean,
      expected.posteriorMean.map((m) => outputMean + outputDeviation * m),
      { relative: 1e-9 },
    );
    assertClose(
      covariance,
      expected.posteriorCovariance.map((c) => outputDeviation ** 2 * c),
      { relative: 1e-9 },
    );
  });

  Deno.test(`\`createPredictor()\` of ${name} agrees with \`predictJointly()\``, () => {
    const gp = sklearnProcess(name);
    const predict = createPredictor(gp);
    const joint = predictJointly(gp, POINTS);
    for (let i = 0; i < M; i++) {
      const x = POINTS.subarray(i * D, (i + 1) * D);
      const { mean, variance } = predict(x, false);
      assertClose([mean, variance], [
        joint.mean[i],
        joint.covariance[i * M + i],
      ], { relative: 1e-12 });
    }
  });

  Deno.test(`\`createPredictor()\` of ${name} has the gradients of its predictions`, () => {
    const predict = createPredictor(sklearnProcess(name));
    for (let i = 0; i < M; i++) {
      const x = POINTS.slice(i * D, (i + 1) * D);
      const { meanGradient, varianceGradient } = predict(x, true);
      const [byMean, byVariance] = [
        meanGradient.slice(),
        varianceGradient.slice(),
      ];
      const near = { relative: 1e-6, absolute: 1e-8 };
      assertClose(
        byMean,
        differences((at) => predict(at, false).mean, x, 1e-5),
        near,
      );
      assertClose(
        byVariance,
        differences((at) => predict(at, false).variance, x, 1e-5),
        near,
      );
    }
  });
}

Deno.test("`condition()` equals a process made anew", () => {
  const gp = sklearnProcess("matern52");
  const x = Float64Array.of(0.2, 0.4, 0.6);
  const more = condition(gp, x, 0.7);
  // Made anew with the standardisation and the mean of the first.
  const y = (value: number) => (value - gp.outputMean) / gp.outputDeviation;
  const inputs = Float64Array.of(...gp.inputs, ...x);
  const standard = Float64Array.of(...gp.outputs, 0.7).map(y);
  const spread = standardise({ inputs, outputs: standard }, D);
  const anew = createGaussianProcess(
    { inputs, outputs: standard },
    "matern52",
    {
      ...gp.hyperParameters,
      mean: (gp.hyperParameters.mean - spread.mean) / spread.deviation,
    },
  );
  assertClose(more.factor, anew.factor, { absolute: 1e-14 });
  assertClose(
    more.weights,
    anew.weights.map((weight) => weight * spread.deviation),
    { absolute: 1e-12 },
  );
  assertEquals(more.size, N + 1);
  assertEquals(gp.size, N);
});

Deno.test("`condition()` uses the noise it is told", () => {
  const gp = sklearnProcess("matern52");
  const x = Float64Array.of(0.2, 0.4, 0.6);
  const variance = (noise?: number) =>
    createPredictor(condition(gp, x, 0.7, noise))(x, false).variance;
  assert(variance(0) < variance());
  assert(variance() < variance(1));
});

Deno.test("`condition()` takes a point twice where noise is known", () => {
  const noiseVariances = Float64Array.of(.01, .01, .01);
  const observations = {
    inputs: Float64Array.of(0, .5, 1),
    outputs: Float64Array.of(1, 0, 1),
    noiseVariances,
  };
  const gp = createGaussianProcess(observations, "matern52", {
    lengthScales: Float64Array.of(.5),
    outputScale: 1,
    noise: 0,
    mean: 0,
  });
  const x = Float64Array.of(.3);
  const twice = condition(condition(gp, x, .7), x, .7);
  assertClose([createPredictor(twice)(x, false).mean], [.7], {
    absolute: 1e-6,
  });
});

Deno.test("`leaveOneOut()` equals leaving out one observation after the other", () => {
  const gp = sklearnProcess("matern32");
  const { mean, variance, residuals } = leaveOneOut(gp);
  for (let i = 0; i < N; i++) {
    const keep = [...Array(N).keys()].filter((j) => j !== i);
    // Covariances of the kept outputs, inverted by conditioning one by one.
    const rest = keep.slice(1).reduce(
      (process, j) =>
        condition(process, gp.inputs.slice(j * D, (j + 1) * D), gp.outputs[j]),
      restricted(gp, keep[0]),
    );
    const x = gp.inputs.slice(i * D, (i + 1) * D);
    const { mean: m, variance: v } = createPredictor(rest)(x, false);
    const noise = gp.outputDeviation ** 2 * gp.hyperParameters.noise;
    assertClose([mean[i], variance[i]], [m, v + noise], { relative: 1e-10 });
    assertClose([residuals[i]], [(gp.outputs[i] - m) / Math.sqrt(v + noise)], {
      relative: 1e-9,
    });
  }
});

/** The process with one observation only, standardised as all were. */
function restricted(gp: GaussianProcess, i: number): GaussianProcess {
  const { outputScale, noise, mean } = gp.hyperParameters;
  const y = (gp.outputs[i] - gp.outputMean) / gp.outputDeviation;
  return {
    ...gp,
    size: 1,
    inputs: gp.inputs.slice(i * D, (i + 1) * D),
    outputs: gp.outputs.slice(i, i + 1),
    noiseVariances: Float64Array.of(noise),
    factor: Float64Array.of(Math.sqrt(outputScale + noise)),
    weights: Float64Array.of((y - mean) / (outputScale + noise)),
  };
}

Deno.test("`samplePosterior()` has the moments of the posterior", () => {
  const gp = sklearnProcess("matern52");
  const count = 20_000;
  const samples = samplePosterior(gp, POINTS, count, createPrng(1));
  const { mean, covariance } = predictJointly(gp, POINTS);
  const sampleMean = mean.map((_, i) => {
    let sum = 0;
    for (let s = 0; s < count; s++) sum += samples[s * M + i];
    return sum / count;
  });
  const sampleCovariance = covariance.map((_, at) => {
    const [i, j] = [Math.floor(at / M), at % M];
    let sum = 0;
    for (let s = 0; s < count; s++) {
      sum += (samples[s * M + i] - mean[i]) * (samples[s * M + j] - mean[j]);
    }
    return sum / count;
  });
  const largest = Math.max(...covariance);
  // Three standard errors of a mean, and of a variance.
  assertClose(sampleMean, mean, { absolute: 3 * Math.sqrt(largest / count) });
  assertClose(sampleCovariance, covariance, {
    absolute: 3 * largest * Math.sqrt(2 / count),
  });
});

Deno.test("`samplePosterior()` gives equal points equal values", () => {
  const gp = sklearnProcess("squaredExponential");
  const [a, b] = samplePosterior(
    gp,
    Float64Array.of(0.3, 0.3, 0.3, 0.3, 0.3, 0.3),
    1,
    createPrng(2),
  );
  assertClose([a], [b], { absolute: 1e-4 });
});

Deno.test("`createGaussianProcess()` draws a curve through exact observations", () => {
  const inputs = Float64Array.of(0, 0.25, 0.5, 1);
  const outputs = Float64Array.of(1, 3, 2, -1);
  const gp = createGaussianProcess(
    { inputs, outputs, noiseVariances: new Float64Array(4) },
    "matern52",
    {
      lengthScales: Float64Array.of(0.3),
      outputScale: 1,
      noise: 0,
      mean: 0,
    },
  );
  const predict = createPredictor(gp);
  inputs.forEach((x, i) => {
    const { mean, variance } = predict(Float64Array.of(x), false);
    assertClose([mean], [outputs[i]], { absolute: 1e-6 });
    assert(variance > 0 && variance < 1e-6);
  });
});

Deno.test("`createPredictor()` returns to mean and output scale far away", () => {
  const gp = sklearnProcess("matern12");
  const { mean, variance } = createPredictor(gp)(
    Float64Array.of(500, 500, 500),
    false,
  );
  const { outputMean, outputDeviation, hyperParameters } = gp;
  assertClose([mean, variance], [
    outputMean + outputDeviation * hyperParameters.mean,
    outputDeviation ** 2 * hyperParameters.outputScale,
  ], { relative: 1e-12 });
});

Deno.test("`crossCovariance()` of a process's inputs is in its factor", () => {
  const gp = sklearnProcess("matern52");
  const { lengthScales, outputScale, noise } = gp.hyperParameters;
  const k = crossCovariance("matern52", gp.inputs, gp.inputs, lengthScales);
  for (let i = 0; i < N; i++) {
    for (let j = 0; j < N; j++) {
      let sum = 0;
      for (let q = 0; q < N; q++) {
        sum += gp.factor[i * N + q] * gp.factor[j * N + q];
      }
      const expected = outputScale * k[i * N + j] + (i === j ? noise : 0);
      assertClose([sum], [expected], { relative: 1e-12 });
    }
  }
});

Deno.test("Gaussian processes refuse points that are none, in one sentence", () => {
  const gp = sklearnProcess("matern52");
  const [short, nan] = [new Float64Array(2), Float64Array.of(0, NaN, 0)];
  const predict = createPredictor(gp);
  const isShort =
    "Cannot predict as a point must have 3 coordinates: current length is 2";
  const isNan =
    "Cannot predict as coordinates must be finite: current value 1 is NaN";
  assertThrows(() => predict(short, false), TypeError, isShort);
  assertThrows(() => predict(nan, true), RangeError, isNan);
  assertThrows(() => predictJointly(gp, short), TypeError, isShort);
  assertThrows(() => predictJointly(gp, nan), RangeError, isNan);
  assertThrows(() => condition(gp, nan, 1), RangeError, isNan);
  assertThrows(
    () => condition(gp, new Float64Array(3), NaN),
    RangeError,
    "Cannot condition on an output as it must be finite: current value is NaN",
  );
});
