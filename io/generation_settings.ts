// Settings of generation in a model's files that this implementation ignores.

import type { Fields } from "../core/checkpoints/fields.ts";

/** Values with which a setting has no effect. */
type Neutral = readonly unknown[];

const OFF: Neutral = [null, false, 0];

/**
 * Settings of transformers' GenerationConfig that change answers, and the values
 * with which they have no effect.
 */
const SETTINGS: Readonly<Record<string, Neutral>> = {
  "bad_words_ids": [null],
  "begin_suppress_tokens": [null],
  "constraints": [null],
  "do_sample": OFF,
  "dola_layers": [null],
  "encoder_no_repeat_ngram_size": OFF,
  "encoder_repetition_penalty": [null, 1],
  "exponential_decay_length_penalty": [null],
  "force_words_ids": [null],
  "forced_bos_token_id": [null],
  "forced_eos_token_id": [null],
  "guidance_scale": [null, 1],
  // 20 is the default, which transformers counts from the end of the prompt.
  "max_length": [null, 20],
  "max_time": [null],
  "min_length": OFF,
  "min_new_tokens": OFF,
  "no_repeat_ngram_size": OFF,
  "num_beams": [null, 1],
  "penalty_alpha": OFF,
  "repetition_penalty": [null, 1],
  "sequence_bias": [null],
  "stop_strings": [null],
  "suppress_tokens": [null],
  "token_healing": OFF,
  "watermarking_config": [null],
};

/** The same for settings that matter only where tokens are sampled. */
const SAMPLING: Readonly<Record<string, Neutral>> = {
  "epsilon_cutoff": OFF,
  "eta_cutoff": OFF,
  "min_p": OFF,
  "temperature": [null, 1],
  "top_h": [null],
  "top_k": OFF,
  "top_p": [null, 1],
  "typical_p": [null, 1],
};

/** The same for settings that matter only in beam search. */
const BEAMS: Readonly<Record<string, Neutral>> = {
  "diversity_penalty": OFF,
  "early_stopping": OFF,
  "length_penalty": [null, 1],
  "num_beam_groups": [null, 1],
};

/**
 * Lists the settings that would change answers and are ignored.
 *
 * @param generation generation_config.json, or the fields in its place
 * @returns Their names in alphabetical order.
 */
export function ignoredSettings(generation: Fields): string[] {
  const sets = (name: string, neutral: Neutral): boolean =>
    !neutral.includes(generation.get(name) ?? null);
  const names = (settings: Readonly<Record<string, Neutral>>): string[] =>
    Object.entries(settings)
      .filter(([name, neutral]) => sets(name, neutral))
      .map(([name]) => name);
  const always = names(SETTINGS)
    // max_new_tokens overrides max_length.
    .filter((name) =>
      name !== "max_length" || !generation.has("max_new_tokens")
    );
  return [
    ...always,
    ...always.includes("do_sample") ? names(SAMPLING) : [],
    ...always.includes("num_beams") ? names(BEAMS) : [],
  ].sort();
}
