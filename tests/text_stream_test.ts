// Text as it grows by tokens.

import { assert, assertEquals } from "@std/assert";
import { createTextStream } from "../study/text_stream.ts";
import { KINDS, smallTokenizer } from "./_text.ts";

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
