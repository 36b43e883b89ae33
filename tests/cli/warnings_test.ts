// Words of a question that a model cannot tell from others.

import { assertEquals } from "@std/assert";
import { questionWarnings } from "../../cli/warnings.ts";
import { parseTokenizer } from "../../io/mod.ts";

/** A tokenizer that splits at spaces, by its model. */
function tokenizer(model: Readonly<Record<string, unknown>>) {
  return parseTokenizer(JSON.stringify({
    "added_tokens": [],
    normalizer: null,
    "pre_tokenizer": { type: "WhitespaceSplit" },
    "post_processor": null,
    decoder: null,
    model,
  }));
}

const vocab = { "<none>": 0, red: 1, ring: 2, "?": 3, "it's": 4 };

/** The words that are named, as they stand in the sentence. */
function lacking(
  model: Readonly<Record<string, unknown>>,
  question: string,
): string | null {
  const warnings = questionWarnings(
    { name: "m", tokenizer: tokenizer(model) },
    question,
  );
  if (warnings.length === 0) return null;
  const [, words] =
    /^the vocabulary of m lacks (.*), so that its answer may mean nothing$/
      .exec(warnings[0])!;
  return words;
}

Deno.test("questionWarnings() names words that stand for one unknown word", () => {
  const model = { type: "WordLevel", vocab, "unk_token": "<none>" };
  assertEquals(lacking(model, "red ring ?"), null);
  assertEquals(lacking(model, "it's ?"), null);
  assertEquals(lacking(model, "a red blue ring blue ?"), '"a" and "blue"');
  assertEquals(lacking(model, "猫 ?"), '"猫"');
});

Deno.test("questionWarnings() names characters that a tokenizer leaves out", () => {
  const model = {
    type: "BPE",
    vocab: { r: 0, e: 1, d: 2, re: 3, red: 4 },
    merges: ["r e", "re d"],
  };
  assertEquals(lacking(model, "red"), null);
  assertEquals(lacking(model, "red 猫"), '"猫"');
});
