// deno-lint-ignore-file no-console
// Asks a model behind an address and the one in the package about an image file,
// and lets workers answer questions.

import { readFile } from "node:fs/promises";
import process from "node:process";
import {
  fullSchedule,
  loadModel,
  makeSceneSet,
  openEvaluators,
} from "@tokensieve/tokensieve";

const [address, file, question] = process.argv.slice(2);
const image = await readFile(file);
for (const place of [address, null]) {
  const model = await loadModel(place, { device: "cpu" });
  const { text } = await model.ask(image, question);
  console.log(text);
  if (place !== null) continue;
  const { tokenizer, model: { config } } = model;
  const questions = makeSceneSet(tokenizer, tokenizer.tokenId("<image>"), {
    split: "heldout",
    seed: 0,
    count: 40,
  });
  const pool = openEvaluators(model);
  const evaluate = pool.createEvaluator(questions);
  const { samples } = await evaluate(
    fullSchedule(config.decoder.layers, config.visionTokens),
  );
  console.log(samples.filter(({ correct }) => correct).length);
  pool[Symbol.dispose]();
}
