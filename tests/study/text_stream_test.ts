// Text as it grows by tokens.

import { assert, assertEquals } from "@std/assert";
import { createTextStream } from "../../study/conversation.ts";
import { createRandom } from "../../core/mod.ts";
import { parseTokenizer } from "../../io/tokenizer.ts";
import { KINDS, smallTokenizer } from "../_text.ts";
import tokenizers from "../fixtures/text_tokenizers.json" with { type: "json" };
import record from "../fixtures/tokenizers.json" with { type: "json" };

const TEXT = "a red circle 👩‍🚀, 二つ – schöne grüße";

for (const kind of KINDS) {
  Deno.test(`createTextStream() gives whole characters as soon as they are certain (${kind})`, () => {
    const tokenizer = smallTokenizer(kind);
    const ids = tokenizer.encode([{ text: TEXT, special: false }]);
    const { push, finish } = createTextStream(tokenizer);
    const given = ids.map(push);
    assert(given.every((text) => !text.includes("\uFFFD")));
    // Characters of several tokens come with the last of them.
    assert(given.includes(""));
    assert(given[1] !== "", "nothing comes before the end");
    const whole = given.join("") + finish();
    assertEquals(whole, tokenizer.decode(ids).trimStart());
    assertEquals(whole, TEXT);
  });
}

Deno.test("createTextStream() gives what is left of a broken character at the end", () => {
  const tokenizer = smallTokenizer("qwen2");
  const ids = tokenizer.encode("a 👩");
  const { push, finish } = createTextStream(tokenizer);
  const given = ids.slice(0, -1).map(push).join("");
  assertEquals(given, "a ");
  assertEquals(finish(), "\uFFFD");
  assertEquals(finish(), "");
});

Deno.test("createTextStream() leaves out special tokens, and space at the beginning", () => {
  const tokenizer = smallTokenizer("qwen2");
  const { push, finish } = createTextStream(tokenizer);
  const given = tokenizer.encode(" a<|im_end|> b").map(push);
  assertEquals(given.join("") + finish(), "a b");
});

/** Ids of byte tokens. */
function bytesOf(text: string): number[] {
  const { tokenId } = smallTokenizer("llama");
  return Array.from(new TextEncoder().encode(text), (byte) =>
    tokenId(
      `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    )!);
}

Deno.test("createTextStream() holds a run of bytes back until no byte can break it", () => {
  const tokenizer = smallTokenizer("llama");
  const [a] = tokenizer.encode("<s>a").slice(1);
  const given = (ids: readonly number[]): string[] => {
    const { push, finish } = createTextStream(tokenizer);
    return [...ids.map(push), finish()];
  };
  const [c3, a9] = bytesOf("é");
  // A stray byte changes the whole run, and those after it are certain at once.
  assertEquals(given([a, c3, a9, c3, a9, a]), [
    "a",
    "",
    "",
    "",
    "",
    "éé a",
    "",
  ]);
  assertEquals(given([a, c3, a9, a9, c3, a]), [
    "a",
    "",
    "",
    "\uFFFD\uFFFD\uFFFD",
    "\uFFFD",
    " a",
    "",
  ]);
  // An emoji, then one that is cut.
  const emoji = bytesOf("😀");
  const cut = given([...emoji, ...emoji.slice(0, 2), a]);
  assertEquals(cut.slice(0, 6), Array(6).fill(""));
  assertEquals(cut.slice(6), ["\uFFFD".repeat(6) + " a", ""]);
});

Deno.test("createTextStream() gives the text of all ids for 3000 lists of bytes and other tokens", () => {
  const random = createRandom(1).uniform;
  const below = (n: number): number => Math.floor(random() * n);
  const tokenizer = smallTokenizer("llama");
  const characters = ["é", "😀", "▁", "<0x0A>", "\uFEFF", "猫"].map(bytesOf);
  const words = tokenizer.encode("a red  circle");
  let broken = 0;
  for (let i = 0; i < 3000; i++) {
    const ids: number[] = [];
    for (let n = 1 + below(8); n > 0; n--) {
      const character = characters[below(characters.length)];
      const start = below(3) === 0 ? below(character.length) : 0;
      if (below(3) === 0) ids.push(words[below(words.length)]);
      else ids.push(...character.slice(start, start + 1 + below(6)));
    }
    const { push, finish } = createTextStream(tokenizer);
    const given = ids.map(push).join("");
    const whole = expected(ids.map((id) => tokenName(id)));
    assert(whole.startsWith(given), String(ids));
    assertEquals(given + finish(), whole, String(ids));
    if (whole.includes("\uFFFD")) broken++;
  }
  assert(broken > 500 && broken < 2500);
});

const NAMES = new Map(
  Object.entries(tokenizers.llama.model.vocab).map(([name, id]) => [id, name]),
);
const tokenName = (id: number): string => NAMES.get(id)!;

/** What the library's steps make of tokens, one step after the other. */
function expected(tokens: readonly string[]): string {
  const runs = tokens.map((token) => token.replaceAll("▁", " ")).join("\0")
    .replaceAll(
      /(?:(?<=^|\0)<0x[0-9A-F]{2}>(?:\0|$))+/g,
      (run) => {
        const bytes = run.split("\0").filter((token) => token !== "")
          .map((token) => parseInt(token.slice(3, 5), 16));
        const text = new TextDecoder("utf-8", { ignoreBOM: true })
          .decode(Uint8Array.from(bytes));
        const whole = !text.includes("\uFFFD")
          ? text
          : "\uFFFD".repeat(bytes.length);
        return whole + (run.endsWith("\0") ? "\0" : "");
      },
    );
  return runs.replaceAll("\0", "").replace(/^ /, "").trimStart();
}

for (const [name, { json, decoded }] of Object.entries(record.tokenizers)) {
  Deno.test(`createTextStream() gives the text of all ids, joined (${name})`, () => {
    const tokenizer = parseTokenizer(JSON.stringify(json), name);
    for (const [ids, text] of decoded as [number[], string | null][]) {
      if (text === null) continue;
      const { push, finish } = createTextStream(tokenizer);
      const whole = tokenizer.decode(ids, { skipSpecial: true }).trimStart();
      let given = "";
      for (const id of ids) {
        given += push(id);
        assert(whole.startsWith(given), String(ids));
      }
      assertEquals(given + finish(), whole, String(ids));
    }
  });
}
