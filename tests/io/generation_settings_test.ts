// Settings of generation_config.json that are named because nothing obeys them.
// Neutral values: as transformers 5.24 has them by default.

import { assertEquals } from "@std/assert";
import { generationWarnings } from "../../cli/warnings.ts";
import { Fields } from "../../core/checkpoints/fields.ts";
import { ignoredSettings } from "../../io/generation_settings.ts";

const named = (json: Record<string, unknown>): string[] =>
  ignoredSettings(new Fields(json, "generation_config.json"));

Deno.test("ignoredSettings() names what would change answers, and nothing else", () => {
  assertEquals(
    named({
      repetition_penalty: 1.2,
      no_repeat_ngram_size: 3,
      max_length: 4096,
      eos_token_id: 2,
    }),
    ["max_length", "no_repeat_ngram_size", "repetition_penalty"],
  );
  assertEquals(named({}), []);
  // As transformers 4 wrote them into every file.
  assertEquals(
    named({
      max_length: 20,
      min_length: 0,
      do_sample: false,
      early_stopping: false,
      num_beams: 1,
      num_beam_groups: 1,
      diversity_penalty: 0.0,
      temperature: 1.0,
      top_k: 50,
      top_p: 1.0,
      typical_p: 1.0,
      repetition_penalty: 1.0,
      length_penalty: 1.0,
      no_repeat_ngram_size: 0,
      encoder_no_repeat_ngram_size: 0,
      bad_words_ids: null,
      num_return_sequences: 1,
      forced_eos_token_id: null,
      suppress_tokens: null,
      begin_suppress_tokens: null,
      pad_token_id: 0,
      use_cache: true,
      transformers_version: "4.36.2",
    }),
    [],
  );
});

Deno.test("ignoredSettings() names a length only where no other counts", () => {
  assertEquals(named({ max_length: 4096 }), ["max_length"]);
  assertEquals(named({ max_length: 4096, max_new_tokens: 10 }), []);
});

Deno.test("ignoredSettings() names how tokens are drawn only where they are", () => {
  const drawn = { "temperature": 0.6, "top_p": 0.9, "top_k": 40, "min_p": 0.1 };
  assertEquals(named(drawn), []);
  assertEquals(named({ ...drawn, do_sample: true }), [
    "do_sample",
    "min_p",
    "temperature",
    "top_k",
    "top_p",
  ]);
  assertEquals(named({ length_penalty: 2, early_stopping: true }), []);
  assertEquals(named({ num_beams: 4, length_penalty: 2 }), [
    "length_penalty",
    "num_beams",
  ]);
});

Deno.test("generationWarnings() names them in one sentence", () => {
  const warnings = (ignoredSettings: string[]): string[] =>
    generationWarnings({ name: "a/model", ignoredSettings });
  assertEquals(warnings([]), []);
  assertEquals(warnings(["max_length", "num_beams"]), [
    "answers are generated without max_length and num_beams, which the files of a/model set",
  ]);
});
