/**
 * The report on a model that search.ts prints before it searches: the device
 * and questions, some answers, and how similarly the layers rank vision tokens.
 */

import {
  embedPrompts,
  embedTiles,
  fullSchedule,
  prefill,
} from "../core/mod.ts";
import {
  accuracy,
  attentionByLayer,
  generateAnswers,
  majorityShare,
} from "../eval/mod.ts";
import {
  barWidth,
  formatBar,
  formatPercent,
  formatTable,
} from "../report/mod.ts";
import { type Evaluation, neighbouringTau } from "../search/mod.ts";
import type { LoadedModel } from "../study/load.ts";
import { generationLimits } from "../study/metrics.ts";
import type { QuestionSet, QuestionSets } from "../study/questions.ts";
import type { Output } from "./output.ts";

/** Prints the device, the model and the numbers of questions. */
export function printHeader(
  { say }: Output,
  { name, model: { backend, config } }: LoadedModel,
  { calibration, heldout }: QuestionSets,
): void {
  const { layers, width, heads } = config.decoder;
  const describe = ({ samples, images }: QuestionSet): string => {
    const most = images.reduce(
      (most, tiles) => Math.max(most, tiles.length),
      0,
    );
    const tiles = most > 1 ? ` of up to ${most} tiles` : "";
    return `${samples.length} questions about ${images.length} images${tiles}`;
  };
  say(`device       ${backend.name}`);
  say(
    `model        ${name}: ${config.visionTokens} vision tokens, ${layers} decoder layers of width ${width} with ${heads} heads`,
  );
  say(`calibration  ${describe(calibration)}`);
  say(`held-out     ${describe(heldout)}`);
}

/** Prints the model's answers to the first questions of a set. */
export async function printAnswers(
  { say }: Output,
  loaded: LoadedModel,
  { images, samples, texts }: QuestionSet,
): Promise<void> {
  const { model, tokenizer } = loaded;
  const { backend, decoder: { layers: { length: L } } } = model;
  say("\nThe full model answers:");
  for (let i = 0; i < Math.min(5, samples.length); i++) {
    const { image, prompt } = samples[i];
    const { question, answer } = texts[i];
    const context = backend.scope(() => {
      const vision = embedTiles(model, [images[image]]);
      const state = embedPrompts(model, vision, [prompt]);
      return prefill(model, state, fullSchedule(L, vision.shape[1]));
    });
    const [ids] = await generateAnswers(
      model,
      context,
      generationLimits(loaded),
    );
    const said = tokenizer.decode(ids, { skipSpecial: true }).trim();
    const mark = said === answer ? "right" : `the right answer is ${answer}`;
    const asked = question.replaceAll("\n", " ");
    say(`  image ${image}: ${asked} ${said} (${mark})`);
  }
}

/**
 * Prints the accuracy of each kind of question, beside that of blind guessing.
 */
export function printKinds(
  { say, draw, columns }: Output,
  { kinds, texts }: QuestionSet,
  { samples }: Evaluation,
): void {
  const rows = [...new Set(kinds)].map((kind) => {
    const ofKind = samples.filter(({ index }) => kinds[index] === kind);
    const asked = ofKind.map(({ index }) => texts[index]);
    return [
      kind,
      String(ofKind.length),
      formatPercent(accuracy(ofKind)),
      formatPercent(majorityShare(asked)),
    ];
  });
  say("\nFull model on held-out questions:");
  draw(formatTable([
    ["kind", "questions", "accuracy", "commonest answer"],
    ...rows,
    ...rows.length === 1
      ? []
      : [["all", String(samples.length), formatPercent(accuracy(samples)), ""]],
  ], { columns }));
}

/** The number of samples that τ is averaged over. */
const TAU_SAMPLES = 100;

/**
 * Prints Kendall's τ of neighbouring layers (docs/method.md, "Layers rank
 * alike").
 */
export async function printTau(
  { say, draw, columns }: Output,
  { model }: LoadedModel,
  { images, samples }: QuestionSet,
): Promise<void> {
  const some = { images, samples: samples.slice(0, TAU_SAMPLES) };
  const tau = neighbouringTau(await attentionByLayer(model, some));
  say(
    `\nDo neighbouring layers rank vision tokens alike? Kendall's tau, mean of ${some.samples.length} questions:`,
  );
  const digits = String(tau.length).length;
  for (const [layer, value] of tau.entries()) {
    const pair = `${layer}-${layer + 1}`.padEnd(2 * digits + 1);
    const before = `  layers ${pair}   ${value.toFixed(2).padStart(5)}  `;
    const width = barWidth(before, { columns });
    draw((before + formatBar(Math.max(0, value), width)).trimEnd());
  }
}
