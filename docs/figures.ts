/**
 * Draws the figures of this folder from runs of the embedded model:
 *
 *     deno task docs:figures
 *
 * `tests/docs/method_docs_test.ts` draws them anew and compares.
 */
// deno-lint-ignore-file no-console

import {
  embedImages,
  embedPrompts,
  fromKeepCounts,
  loadVisionLanguageModel,
  nextTokenLogits,
  type RgbImage,
  runDecoder,
  splitPrompt,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import { drawScene, SCENE_SIZE, sceneRandom, VOCABULARY } from "../eval/mod.ts";
import { encodePng, openModelDirectory, type Tokenizer } from "../io/mod.ts";

/** The embedded model, and what turns words into its tokens. */
export interface EmbeddedModel {
  /** The model. */
  readonly model: VisionLanguageModel;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
}

/**
 * Loads the embedded model. Without relaxed SIMD every machine computes the
 * same bits, so that a document can state them.
 */
export async function loadEmbedded(): Promise<EmbeddedModel> {
  const { pathname } = new URL("../models/tiny", import.meta.url);
  const { source, tokenizer } = await openModelDirectory(pathname);
  const backend = createCpuBackend({ relaxed: false });
  return { model: await loadVisionLanguageModel(backend, source), tokenizer };
}

/** A question about a scene, answered under a schedule. */
export interface Story {
  /** The scene. */
  readonly image: RgbImage;
  /** The word that the model says. */
  readonly answer: string;
  /** Vision tokens of every layer, numbered from 0, shape [L][keep]. */
  readonly kept: readonly (readonly number[])[];
}

/** The question of the figure. */
export const QUESTION = "what color is the triangle ?";
/** The keep counts of the figure: those that README.md's run of G-Search found. */
export const KEEP: readonly number[] = [144, 144, 67, 48, 45, 22, 3, 3];

/** The scene of the figure: number 3 of those held out. */
export function figureScene(): RgbImage {
  const { pixels } = drawScene(sceneRandom("heldout", 0, 3));
  return { width: SCENE_SIZE, height: SCENE_SIZE, data: pixels };
}

/** Asks the question of the figure, layer by layer. */
export async function tellStory(
  { model, tokenizer }: EmbeddedModel,
): Promise<Story> {
  const { backend, config } = model;
  const image = figureScene();
  const ids = tokenizer.encode(`<bos><image>${QUESTION}`);
  const prompt = splitPrompt(ids, config.imageToken as number);
  const schedule = fromKeepCounts(KEEP, config.visionTokens);
  const kept: number[][] = [];
  let state = embedPrompts(model, embedImages(model, [image]), [prompt]);
  for (let layer = 0; layer < KEEP.length; layer++) {
    state = runDecoder(model, state, schedule, { from: layer, to: layer + 1 });
    const { start, length } = state.vision;
    const positions = await backend.read(state.positions);
    kept.push(
      [...positions.subarray(start, start + length)].map((id) => id - start),
    );
  }
  const logits = await backend.read(nextTokenLogits(model, state));
  const answer = VOCABULARY[logits.indexOf(Math.max(...logits))];
  return { image, answer, kept };
}

/** Where the figure's panels are, and how far apart. */
const [STEP, LINE] = [SCENE_SIZE + 14, SCENE_SIZE + 26];
/** Side of a patch in pixels. */
const PATCH = 8;
const PATCHES = SCENE_SIZE / PATCH;

/**
 * The scene, and what is left of it at the layers 2 to 7, as an SVG.
 *
 * @param png the scene as a PNG file
 */
export function drawSurvivors(
  { answer, kept }: Omit<Story, "image">,
  png: Uint8Array,
): string {
  const data = btoa(String.fromCharCode(...png));
  const panel = (place: number, title: string, body: string): string =>
    `<g transform="translate(${place % 4 * STEP} ${
      Math.floor(place / 4) * LINE + 16
    })"><text y="-5">${title}</text>${body}</g>`;
  const layers = kept.slice(2).map((tokens, i) =>
    panel(
      i < 3 ? i + 1 : i + 2,
      `layer ${i + 2}: ${tokens.length}`,
      `<use href="#scene"/><path class="gone" d="${removedPatches(tokens)}"/>`,
    )
  );
  const words = QUESTION.replace(" ?", "?").split(/ (?=is )/);
  const asked = words.map((text, i) =>
    `<text y="${34 + 14 * i}">${text}</text>`
  )
    .join("");
  const said = `<text y="${
    44 + 14 * words.length
  }" font-weight="bold">${answer}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${4 * STEP - 14} ${
      2 * LINE - 8
    }" width="${8 * STEP - 28}" role="img">`,
    `<title>A scene of 144 patches, and those that the layers 2 to 7 keep</title>`,
    `<style>text{font:11px sans-serif;fill:#7a7a7a}.gone{fill:#8c8c8c;fill-opacity:.9}</style>`,
    `<defs><image id="scene" width="${SCENE_SIZE}" height="${SCENE_SIZE}" href="data:image/png;base64,${data}"/></defs>`,
    panel(0, `layers 0 and 1: ${kept[0].length}`, `<use href="#scene"/>`),
    panel(4, "", asked + said),
    ...layers,
    "</svg>\n",
  ].join("\n");
}

/** Rectangles over the patches that are not there any more, as a path. */
function removedPatches(kept: readonly number[]): string {
  const there = new Set(kept);
  let path = "";
  for (let n = 0; n < PATCHES ** 2; n++) {
    if (there.has(n)) continue;
    const x = n % PATCHES;
    let end = x + 1; // of the run of them in this row
    while (end < PATCHES && !there.has(n - x + end)) end++;
    const [y, width] = [Math.floor(n / PATCHES), end - x];
    path += `M${PATCH * x} ${PATCH * y}h${PATCH * width}v${PATCH}h-${
      PATCH * width
    }z`;
    n += width - 1;
  }
  return path;
}

/** Where the figure lies. */
export const SURVIVORS: URL = new URL("figures/survivors.svg", import.meta.url);

if (import.meta.main) {
  const { image, ...story } = await tellStory(await loadEmbedded());
  const svg = drawSurvivors(story, await encodePng(image));
  await Deno.writeTextFile(SURVIVORS, svg);
  console.log(`${SURVIVORS.pathname}: ${story.answer}`);
}
