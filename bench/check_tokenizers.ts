/**
 * Compares tokenizers with the tokenizers library: how many ids and texts in a file
 * of tests/fixtures/make_tokenizers.py differ here.
 *
 *     deno run -A bench/check_tokenizers.ts tests/fixtures/tokenizers.json
 *
 * Exit codes: 0 no difference, 1 some.
 */
// deno-lint-ignore-file no-console

import { parseTokenizer } from "../io/mod.ts";

/** The library's ids of strings and texts of ids; null where it refused. */
interface Record {
  readonly strings: readonly string[];
  readonly tokenizers: {
    readonly [name: string]: {
      readonly json: unknown;
      readonly ids: readonly (readonly number[] | null)[];
      readonly decoded: readonly [readonly number[], string | null][];
    };
  };
}

const record: Record = JSON.parse(await Deno.readTextFile(Deno.args[0]));
let compared = 0;
let different = 0;

function compare(what: string, found: unknown, expected: unknown): void {
  compared++;
  const [a, b] = [found, expected].map((value) => JSON.stringify(value));
  if (a === b) return;
  different++;
  console.log(`${what}: ${a} for ${b}`);
}

for (const [name, expected] of Object.entries(record.tokenizers)) {
  const { encode, decode } = parseTokenizer(
    JSON.stringify(expected.json),
    name,
  );
  const idsOf = (text: string): number[] | null => {
    try {
      return encode(text);
    } catch {
      return null;
    }
  };
  record.strings.forEach((text, i) =>
    compare(`${name} ${JSON.stringify(text)}`, idsOf(text), expected.ids[i])
  );
  for (const [ids, text] of expected.decoded) {
    if (text !== null) compare(`${name} [${ids}]`, decode(ids), text);
  }
}
console.log(`${different} of ${compared} differ`);
Deno.exit(different === 0 ? 0 : 1);
