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
} from "../io/mod.ts";
import { type Kind, QUESTION, smallTokenizer } from "./_text.ts";
import record from "./fixtures/text_prompts.json" with { type: "json" };

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
