// What evaluates a model on WebGPU. Writes files, so not in a page.

import { assert, assertEquals } from "@std/assert";
import { openEvaluators, searchBatchSize } from "../../study/evaluators.ts";
import { loadModel } from "../../study/load.ts";
import { loadQuestions } from "../../study/questions.ts";
import { fromKeepCounts } from "../../core/mod.ts";
import { SMALL, writeQuestions, writeSmallModel } from "../_small_model.ts";

import "../_gpu.ts";

Deno.test("evaluators on WebGPU and on the CPU come to the same results", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await writeSmallModel(directory);
    await writeQuestions(directory, "questions.jsonl", 12, 0);
    const schedule = fromKeepCounts([16, 16, 9, 2], SMALL.visionTokens);
    const evaluate = async (device: "cpu" | "webgpu") => {
      const loaded = await loadModel(directory, { device });
      const file = `${directory}/questions.jsonl`;
      const questions = await loadQuestions(loaded, { file }, "heldout", 0);
      using evaluators = await openEvaluators(loaded);
      const evaluator = evaluators.createEvaluator(questions, {
        batchSize: searchBatchSize(loaded),
      });
      const { samples } = await evaluator(schedule);
      return samples.toSorted((a, b) => a.index - b.index);
    };
    const expected = await evaluate("cpu");
    const actual = await evaluate("webgpu");
    assertEquals(expected.length, 12);
    for (const [i, { loss, correct }] of actual.entries()) {
      assertEquals(correct, expected[i].correct);
      assert(Math.abs(loss - expected[i].loss) < 1e-4);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
