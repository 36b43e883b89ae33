/**
 * From a picture and a prompt to generated tokens, timed step by step. With
 * random weights the tokens mean nothing; the work is that of real ones.
 */

import {
  createRandom,
  embedPrompts,
  embedTiles,
  fromRates,
  fullSchedule,
  generate,
  prefill,
  preprocessImage,
  type RgbImage,
  type Schedule,
  type VisionLanguageModel,
} from "../../core/mod.ts";
import { internVlRates } from "../../tests/_published.ts";
import { type Duration, timed } from "./timing.ts";

/** What is asked of a model. */
export interface AnswerOptions {
  /** The most tiles that the picture is cut into, without the thumbnail. */
  readonly tiles: number;
  /** Tokens to generate. */
  readonly tokens: number;
  /** Where the logits after the prompt go, unreduced. */
  readonly logitsFile?: string;
}

/** How a prompt was answered under a schedule. */
export interface Answer {
  readonly schedule: string;
  /** Of tokens in the prompt, vision tokens included. */
  readonly prefill: Duration;
  readonly decode: Duration;
  /** What was generated. */
  readonly ids: readonly number[];
}

/** All answers about one picture. */
export interface Answers {
  readonly tiles: number;
  /** Tokens of the prompt. */
  readonly length: number;
  /** Vision tower and projector. */
  readonly vision: Duration;
  readonly answers: readonly Answer[];
}

const [WIDTH, HEIGHT] = [1000, 700];

/** Tokens before the image and after it, as in InternVL2's template. */
const [BEFORE, AFTER] = [45, 35];

/** Answers under the full schedule, and under that which G-Search found. */
export async function answer(
  model: VisionLanguageModel,
  { tiles: maxTiles, tokens, logitsFile }: AnswerOptions,
): Promise<Answers> {
  const { backend, normalization, config } = model;
  const random = createRandom(8);
  const side = config.vision.imageSize;
  const tiles = preprocessImage(picture(), {
    framing: {
      kind: "tiles",
      tile: { width: side, height: side },
      ...{ minTiles: 1, maxTiles, thumbnail: true },
    },
    filter: "bicubic",
    normalization,
  });
  const { result: vision, ...visionTime } = await timed(async () => {
    const vision = embedTiles(model, [tiles]);
    await backend.read(backend.sliceRows(vision, { start: 0, length: 1 }));
    return vision;
  });
  const words = (count: number): number[] =>
    Array.from(
      { length: count },
      () => random.below(config.decoder.vocabulary),
    );
  const prompt = { before: words(BEFORE), after: words(AFTER) };
  const answers: Answer[] = [];
  for (const [name, schedule] of schedules(model, vision.shape[1])) {
    const state = embedPrompts(model, vision, [prompt]);
    const { result: context, ...prefillTime } = await timed(async () => {
      const context = prefill(model, state, schedule);
      const logits = await backend.read(context.logits);
      if (logitsFile && answers.length === 0) {
        await Deno.writeFile(logitsFile, new Uint8Array(logits.buffer));
      }
      return context;
    });
    const { result: ids, ...decodeTime } = await timed(() =>
      Array.fromAsync(generate(model, context, {
        stopTokens: [],
        maxTokens: tokens,
      }))
    );
    answers.push({
      schedule: name,
      prefill: prefillTime,
      decode: decodeTime,
      ids,
    });
  }
  return {
    tiles: tiles.length,
    length: BEFORE + vision.shape[1] + AFTER,
    vision: visionTime,
    answers,
  };
}

/** A picture with some structure: coloured waves. */
function picture(): RgbImage {
  const data = Uint8Array.from(
    { length: WIDTH * HEIGHT * 3 },
    (_, i) => {
      const [x, y] = [Math.floor(i / 3) % WIDTH, Math.floor(i / 3 / WIDTH)];
      return 128 + 127 * Math.sin((x * (i % 3 + 1) + y * 2) / 50);
    },
  );
  return { width: WIDTH, height: HEIGHT, data };
}

/** The paper's rates of InternVL2-1B hold from one that can be read to the next. */
function schedules(
  { decoder: { layers: { length: L } } }: VisionLanguageModel,
  N: number,
): [string, Schedule][] {
  const { rates } = internVlRates["InternVL2-1B"];
  const searched = Array.from(
    { length: L },
    (_, layer) => layer < 3 ? 1 : rates[Math.floor((layer - 2) / 3)],
  );
  return [
    ["unreduced", fullSchedule(L, N)],
    ["G-Search", fromRates(searched, N)],
  ];
}
