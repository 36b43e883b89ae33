// The vocabulary of a tokenizer.json, checked before the npm package takes it
// up: that reads what is not there as undefined, and gives such ids to words.

/**
 * Checks `model`: its `vocab` and, of byte pairs, its `merges`. A list of pieces
 * with scores (Unigram) is left to the package.
 *
 * @param model The parsed content.
 * @throws {TypeError} Something is not as it must be.
 */
export function checkVocabulary(model: unknown): void {
  const { type, vocab, merges } = (model ?? {}) as Record<string, unknown>;
  if (Array.isArray(vocab)) return;
  if (typeof vocab !== "object" || vocab === null) {
    throw new TypeError('"model" must have a "vocab", an object of ids');
  }
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isInteger(id) || id < 0) {
      throw new TypeError(
        `the id of ${
          JSON.stringify(token)
        } must be an integer >= 0: current value is ${JSON.stringify(id)}`,
      );
    }
  }
  if (type === "BPE" || merges !== undefined) checkMerges(merges, vocab);
}

/**
 * A merge is two tokens, in a list or with a space between them, which make
 * another one.
 */
function checkMerges(merges: unknown, vocab: object): void {
  if (!Array.isArray(merges)) {
    throw new TypeError('"model" must have "merges", a list of pairs');
  }
  merges.forEach((merge, i) => {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    if (
      !Array.isArray(pair) || pair.length !== 2 ||
      ![...pair, pair.join("")].every((token) => Object.hasOwn(vocab, token))
    ) {
      throw new TypeError(
        `"merges", item ${i}, must be two tokens of the vocabulary, and together a third: current value is ${
          JSON.stringify(merge)
        }`,
      );
    }
  });
}
