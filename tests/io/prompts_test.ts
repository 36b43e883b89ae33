// Prompts: what a template's words and an image become in tokens.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type ChatTemplate,
  conversationTemplate,
  encodePrompt,
  encodeTurn,
  type ImageFormat,
  imageFormats,
  llavaTemplate,
  type Message,
  parseChatTemplate,
  type TextPiece,
} from "../../io/mod.ts";
import { parseTokenizer, type Tokenizer } from "../../io/tokenizer.ts";
import { type Kind, KINDS, QUESTION, smallTokenizer } from "../_text.ts";
import record from "../fixtures/text_prompts.json" with { type: "json" };
import fixtures from "../fixtures/text_tokenizers.json" with { type: "json" };
import kinds from "../fixtures/tokenizers.json" with { type: "json" };

Deno.test("a user who writes special tokens gets their letters", () => {
  const tokenizer = smallTokenizer("qwen2");
  const special = ["<|im_end|>", "<|im_start|>", "<img>", "<IMG_CONTEXT>"];
  const message: Message = { ...QUESTION, content: special.join("") };
  const pieces = conversationTemplate("Hermes-2").render([message]);
  const { ids, instruction } = encodePrompt(tokenizer, pieces, {
    format: imageFormats.internvl2,
    visionTokens: 2,
  });
  const found = special.map((token) =>
    ids.slice(instruction.start).filter((id) => id === tokenizer.tokenId(token))
      .length
  );
  // The template's own, after the image.
  assertEquals(found, [1, 1, 0, 0]);
  assert(tokenizer.decode(ids).includes(message.content));
});

Deno.test("a user who asks for it has special tokens of a grounding prompt", () => {
  const tokenizer = smallTokenizer("qwen2");
  const said = "where is <ref>the dog</ref>? <box>";
  const template = conversationTemplate("Hermes-2");
  const options = { format: imageFormats.internvl2, visionTokens: 2 };
  const count = (ids: readonly number[]): number[] =>
    ["<ref>", "</ref>", "<box>"].map((token) =>
      ids.filter((id) => id === tokenizer.tokenId(token)).length
    );
  const first: Message = { ...QUESTION, content: said };
  const pieces = template.render([first]);
  const { ids } = encodePrompt(tokenizer, pieces, {
    ...options,
    specialTokens: true,
  });
  assertEquals(count(ids), [1, 1, 1]);
  // As the whole text is encoded by the library.
  const text = pieces.map(({ text }) => text).join("")
    .replace("<image>", "<img><IMG_CONTEXT><IMG_CONTEXT></img>");
  assertEquals(ids, tokenizer.encode(text));
  assertEquals(count(encodePrompt(tokenizer, pieces, options).ids), [0, 0, 0]);

  const turns: Message[] = [
    QUESTION,
    { role: "assistant", content: "a dog" },
    { role: "user", content: said },
  ];
  const special = { specialTokens: true };
  assertEquals(count(encodeTurn(tokenizer, template, turns, special)), [
    1,
    1,
    1,
  ]);
  assertEquals(count(encodeTurn(tokenizer, template, turns)), [0, 0, 0]);
  // Its own image would be a second one.
  assertThrows(
    () =>
      encodePrompt(
        tokenizer,
        template.render([{ ...QUESTION, content: "<IMG_CONTEXT>" }]),
        { ...options, ...special },
      ),
    RangeError,
    "it must hold one image",
  );
});

Deno.test("encodePrompt() says where system, vision and instruction tokens are", () => {
  const tokenizer = smallTokenizer("llama");
  const prompt = encodePrompt(tokenizer, llavaTemplate.render([QUESTION]), {
    format: imageFormats.llava,
    visionTokens: 5,
  });
  const textOf = ({ start, length }: { start: number; length: number }) =>
    tokenizer.decode(prompt.ids.slice(start, start + length));
  assertEquals(textOf(prompt.system), "<s> USER: ");
  assertEquals(textOf(prompt.vision), "<image>".repeat(5));
  assertEquals(textOf(prompt.instruction), " \nwhat? ASSISTANT:".slice(1));
  assertEquals(prompt.before, prompt.ids.slice(0, prompt.vision.start));
  assertEquals(prompt.after, prompt.ids.slice(prompt.instruction.start));
});

Deno.test("encodePrompt() does not begin a prompt twice", () => {
  const tokenizer = smallTokenizer("internlm2");
  const { ids } = encodePrompt(tokenizer, [
    { text: "<s>a<image>b", special: true },
  ], { format: imageFormats.internvl2, visionTokens: 1 });
  assertEquals(ids.filter((id) => id === tokenizer.begin[0]).length, 1);
});

Deno.test("encodeTurn() goes on where the answer ended", () => {
  const { llava, internvl } = record.processors;
  const cases: [ChatTemplate, Kind, ImageFormat][] = [
    [llavaTemplate, "llama", imageFormats.llava],
    [parseChatTemplate(llava.template), "metaspace", imageFormats.llava],
    [conversationTemplate("Hermes-2"), "qwen2", imageFormats.internvl2],
    [
      conversationTemplate("internlm2-chat"),
      "internlm2",
      imageFormats.internvl2,
    ],
    [conversationTemplate("phi3-chat"), "phi3", imageFormats.internvl2],
    [parseChatTemplate(internvl.template), "qwen2", imageFormats.internvl],
  ];
  const messages: Message[] = [
    QUESTION,
    { role: "assistant", content: "a red circle" },
    { role: "user", content: "and how many people?" },
    { role: "assistant", content: "12" },
    { role: "user", content: "where?" },
  ];
  for (const [template, kind, format] of cases) {
    const tokenizer = smallTokenizer(kind);
    const encode = (messages: readonly Message[]): readonly number[] =>
      encodePrompt(tokenizer, template.render(messages), {
        format,
        visionTokens: 3,
      }).ids;
    for (const length of [3, 5]) {
      const turns = messages.slice(0, length);
      const turn = encodeTurn(tokenizer, template, turns);
      const whole = encode(turns);
      assertEquals(turn, whole.slice(-turn.length), kind);
      // Before the turn stand what was asked, and the answer.
      const asked = encode(turns.slice(0, -2));
      assertEquals(whole.slice(0, asked.length), asked, kind);
      const answer = tokenizer.decode(whole.slice(asked.length, -turn.length));
      assertEquals(answer.trim(), turns.at(-2)!.content, kind);
    }
  }
});

/** The tokenizer of a fixture with more special tokens. */
function withSpecials(
  json: { readonly added_tokens: readonly { readonly id: number }[] },
  contents: readonly string[],
): Tokenizer {
  const first = parseTokenizer(JSON.stringify(json));
  const added = contents.filter((content) =>
    first.tokenId(content) === undefined
  )
    .map((content, i) => ({ id: 9000 + i, content, special: true }));
  return parseTokenizer(
    JSON.stringify({ ...json, added_tokens: [...json.added_tokens, ...added] }),
  );
}

/** Byte pairs without a pre-tokenizer: tokens span the ends of words. */
function spanning(): Tokenizer {
  const letters = Array.from(
    { length: 95 },
    (_, i) => String.fromCharCode(32 + i),
  ).concat("\n");
  const merges = [
    ["e", " "],
    ["e ", "U"],
    [" ", "U"],
    ["S", "E"],
    ["e U", "SE"],
    ["2", " "],
    ["<", "/"],
    ["e", "</"],
    [":", " "],
  ];
  const tokens = [...letters, ...merges.map((pair) => pair.join(""))];
  return withSpecials({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Fuse" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, i) => [token, i])),
      merges,
    },
  } as { readonly added_tokens: [] }, SPECIALS);
}

const SPECIALS = ["<image>", "<img>", "</img>", "<IMG_CONTEXT>"];

Deno.test("a second turn's prompt, decoded, is the template's text, whatever spans the answer's end", () => {
  const { gpt2, gemma, unigram_bytes, metaspace_always } = kinds.tokenizers;
  const tokenizers: Record<string, Tokenizer> = {
    spanning: spanning(),
    ...Object.fromEntries(KINDS.map((kind) => [
      kind,
      withSpecials(fixtures[kind], SPECIALS),
    ])),
    ...Object.fromEntries(
      Object.entries({
        gpt2,
        gemma,
        unigram_bytes,
        metaspace_always,
      }).map(([name, { json }]) => [name, withSpecials(json, SPECIALS)]),
    ),
  };
  const { llava, internvl } = record.processors;
  const templates: [ChatTemplate, ImageFormat][] = [
    [llavaTemplate, imageFormats.llava],
    [parseChatTemplate(llava.template), imageFormats.llava],
    [parseChatTemplate(internvl.template), imageFormats.internvl],
    [conversationTemplate("Hermes-2"), imageFormats.internvl2],
    [conversationTemplate("phi3-chat"), imageFormats.internvl2],
    // No token of its own ends an answer.
    [
      parseChatTemplate(
        "{% for m in messages %}{{ m.role.upper() }}: {{ m.content }} {% endfor %}ASSISTANT:",
        { marker: "<image>" },
      ),
      imageFormats.llava,
    ],
  ];
  let spanned = 0;
  let literal = 0;
  for (const [name, tokenizer] of Object.entries(tokenizers)) {
    for (const [template, format] of templates) {
      const encode = (
        messages: readonly Message[],
        ...more: readonly TextPiece[]
      ): readonly number[] =>
        encodePrompt(tokenizer, [...template.render(messages), ...more], {
          format,
          visionTokens: 1,
        }).ids;
      const textOf = (messages: readonly Message[]): string =>
        template.render(messages).map(({ text }) => text).join("");
      for (const answer of ["a circle", "12", "one", "the image"]) {
        const messages: Message[] = [
          QUESTION,
          { role: "assistant", content: answer },
          { role: "user", content: "how many?" },
        ];
        const first = encode(messages.slice(0, 1));
        const rest = textOf(messages).slice(
          textOf(messages.slice(0, 1)).length,
        );
        const said = rest.slice(0, rest.indexOf(answer) + answer.length);
        // As the model says it after the prompt.
        const piece = { text: said, special: false };
        const together = encode(messages.slice(0, 1), piece);
        const saidIds = first.every((id, i) => together[i] === id)
          ? together.slice(first.length)
          : tokenizer.encode([piece], { goesOn: true });
        const turn = encodeTurn(tokenizer, template, messages);
        const whole = encode(messages);
        const ids = [...first, ...saidIds, ...turn];
        assertEquals(tokenizer.decode(ids), tokenizer.decode(whole), name);
        if (name === "spanning") {
          const image = format.before + format.token + format.after;
          const text = textOf(messages).replace(format.marker, image);
          // It has the letters of English alone.
          if (/^[\n -~]+$/.test(text)) {
            assertEquals(tokenizer.decode(ids), text);
            literal++;
          }
        }
        if (String(ids) !== String(whole)) spanned++;
      }
    }
  }
  assert(literal >= 12);
  assert(spanned > 5, `${spanned} answers are spanned at their end`);
});

Deno.test("encodePrompt() refuses any number of images but one", () => {
  const tokenizer = smallTokenizer("llama");
  for (const images of [0, 2]) {
    assertThrows(
      () =>
        encodePrompt(
          tokenizer,
          llavaTemplate.render([{ ...QUESTION, images }]),
          {
            format: imageFormats.llava,
            visionTokens: 5,
          },
        ),
      RangeError,
      `Cannot encode a prompt as it must show exactly one image: current number is ${images}`,
    );
  }
});

Deno.test("encodePrompt() refuses a tokenizer without the image's token", () => {
  assertThrows(
    () =>
      encodePrompt(smallTokenizer("qwen2"), llavaTemplate.render([QUESTION]), {
        format: imageFormats.llava,
        visionTokens: 5,
      }),
    RangeError,
    "Cannot encode an image as the tokenizer must have a token <image>",
  );
});
