/** What tests of forced answers share: two models, and a schedule for each. */

import {
  type Backend,
  fromKeepCounts,
  type Prompt,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleSet } from "../eval/mod.ts";
import { loadFamilyFixture } from "./_families.ts";
import { loadLlavaFixture } from "./_llava.ts";

/** A model and two prompts about two images of it. */
export interface Scene {
  readonly model: VisionLanguageModel;
  readonly images: SampleSet["images"];
  readonly prompts: readonly Prompt[];
}

/** Images of one tile. */
export async function llava(backend: Backend): Promise<Scene> {
  const { model, images, prompts } = await loadLlavaFixture("llava_a", backend);
  return { model, prompts, images: images.map((image) => [image]) };
}

/** Images of three tiles. */
export async function internvl(backend: Backend): Promise<Scene> {
  const name = "internvl2_qwen2_a";
  const { model, tiles, prompts } = await loadFamilyFixture(name, backend);
  return { model, prompts, images: tiles };
}

/** Keep counts that fall from layer to layer. */
export function falling({ config }: VisionLanguageModel, N: number): Schedule {
  const keep = [N, N - 3, N >> 1, 2].slice(0, config.decoder.layers);
  return fromKeepCounts(keep, N);
}
