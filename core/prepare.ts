/**
 * Getting a model ready before its first question.
 *
 * This module is browser compatible.
 */

import { extend, prefill } from "./generate.ts";
import { embedPrompts, type VisionLanguageModel } from "./model.ts";
import { fromKeepCounts } from "./schedule.ts";
import { embedTiles } from "./vision_tokens.ts";

/** Tokens of a short question: one token, or very few, take other kernels. */
const QUESTION = Array<number>(16).fill(0);

/**
 * Compiles what questions about an image of one tile need, on backends that
 * compile: for all vision tokens and for fewer in each layer, down to none. Other
 * shapes may need more, which is compiled when they come.
 */
export async function prepareModel(model: VisionLanguageModel): Promise<void> {
  const { backend, config } = model;
  await backend.prepare?.(() => backend.scope(() => rehearse(model)));

  function rehearse(model: VisionLanguageModel): void {
    const size = config.vision.imageSize;
    const data = new Uint8Array(3 * size ** 2);
    const tokens = embedTiles(model, [[{ width: size, height: size, data }]]);
    const N = config.visionTokens;
    const keep = Array.from(
      { length: config.decoder.layers },
      (_, layer) => Math.floor(N / 2 ** Math.max(0, layer - 1)),
    );
    const prompt = { before: [0], after: QUESTION };
    const state = embedPrompts(model, tokens, [prompt]);
    const context = prefill(model, state, fromKeepCounts(keep, N));
    extend(model, context, [[0]]);
  }
}
