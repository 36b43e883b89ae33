// Chat templates, alone and in prompts, against transformers: fixtures from
// make_text.py.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type ChatTemplate,
  conversationTemplate,
  encodePrompt,
  type ImageFormat,
  imageFormats,
  llavaTemplate,
  type Message,
  openFolder,
  parseChatTemplate,
  readChatTemplate,
} from "../../io/mod.ts";
import { type Kind, QUESTION, smallTokenizer } from "../_text.ts";
import record from "../fixtures/text_prompts.json" with { type: "json" };

const CONVERSATIONS = record.conversations as Message[][];

/** The same conversation with an image before its first question. */
function withImage(messages: readonly Message[]): Message[] {
  const first = messages.findIndex(({ role }) => role === "user");
  return messages.map((message, i) =>
    i === first ? { ...message, images: 1 } : message
  );
}

/** What the template makes of a conversation, as one text. */
function renderText(template: ChatTemplate, messages: Message[]): string {
  return template.render(messages).map(({ text }) => text).join("");
}

/** A row of the fixture: the text, and ids where no word looks like a token. */
interface Row {
  readonly rendered: string;
  readonly ids?: number[];
}

/** Compares text and ids of every conversation. */
function checkRows(
  template: ChatTemplate,
  rows: readonly Row[],
  { kind, format }: { kind: Kind; format: ImageFormat },
): void {
  const tokenizer = smallTokenizer(kind);
  const imageToken = tokenizer.tokenId(format.token);
  let compared = 0;
  for (const [i, { rendered, ids }] of rows.entries()) {
    const messages = withImage(CONVERSATIONS[i]);
    assertEquals(renderText(template, messages), rendered);
    if (ids === undefined) continue;
    const visionTokens = ids.filter((id) => id === imageToken).length;
    assert(visionTokens > 1);
    const prompt = encodePrompt(tokenizer, template.render(messages), {
      format,
      visionTokens,
    });
    assertEquals(prompt.ids, ids);
    compared++;
  }
  assert(compared >= 7);
}

for (
  const [name, { template, tokens, rendered }] of Object.entries(
    record.templates,
  )
) {
  Deno.test(`parseChatTemplate() renders ${name}'s template as transformers does`, () => {
    const parsed = parseChatTemplate(template, { tokens });
    for (const [i, text] of rendered.entries()) {
      assertEquals(renderText(parsed, CONVERSATIONS[i]), text);
    }
  });
}

Deno.test("encodePrompt() gives the ids of transformers' LlavaProcessor", () => {
  const { template, rows } = record.processors.llava;
  const options = { kind: "llama", format: imageFormats.llava } as const;
  checkRows(parseChatTemplate(template), rows, options);
  checkRows(llavaTemplate, rows, options);
});

Deno.test("encodePrompt() gives the ids of transformers' InternVLProcessor", () => {
  const { template, rows } = record.processors.internvl;
  checkRows(parseChatTemplate(template), rows, {
    kind: "qwen2",
    format: imageFormats.internvl,
  });
});

for (const [name, { tokenizer, rows }] of Object.entries(record.internvl2)) {
  Deno.test(`conversationTemplate() writes ${name} as InternVL2 does`, () => {
    checkRows(conversationTemplate(name), rows, {
      kind: tokenizer as Kind,
      format: imageFormats.internvl2,
    });
  });
}

Deno.test("render() marks what messages say, and nothing else", () => {
  const { template, tokens } = record.templates.llama;
  const words = ["  be brief ", " what?\n", "this.  ", "\tsure?"];
  const messages = ["system", "user", "assistant", "user"].map((role, i) => ({
    role: role as Message["role"],
    content: words[i],
  }));
  const pieces = parseChatTemplate(template, { tokens }).render(messages);
  assertEquals(
    pieces.filter(({ special }) => !special).map(({ text }) => text),
    // The template trims the first two as one, then each.
    ["  be brief ", " what?", "this.", "sure?"],
  );
});

Deno.test("render() finds contents that a template trims", () => {
  const trims: [expression: string, words: string][] = [
    ["", " a b\n"],
    [".strip()", "a b"],
    [".lstrip()", "a b\n"],
    [".rstrip()", " a b"],
    [" | trim", "a b"],
    [".rstrip('\\n')", " a b"],
    [".lstrip('\\n')", " a b\n"],
  ];
  for (const [expression, words] of trims) {
    const text = `[{{ messages[0].content${expression} }}]`;
    assertEquals(
      parseChatTemplate(text).render([{ role: "user", content: " a b\n" }]),
      [
        { text: "[", special: true },
        { text: words, special: false },
        { text: "]", special: true },
      ],
    );
  }
});

Deno.test("render() trims the whitespace that Python knows", () => {
  const { render } = parseChatTemplate("[{{ messages[0].content | trim }}]");
  // JavaScript takes a byte order mark for whitespace, and \x1c for none.
  for (
    const [content, words] of [
      ["\x1c a \x85", "a"],
      ["\ufeffa \n\n", "\ufeffa"],
      [" \t", ""],
    ]
  ) {
    const [, { text }] = render([{ role: "user", content }]);
    assertEquals(text, words);
  }
});

Deno.test("readChatTemplate() reads line ends as transformers does", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const template =
      "{% for m in messages %}\r\n{{ m.content }}\r\n{% endfor %}\r\nend\r\n";
    await Deno.writeTextFile(`${directory}/chat_template.jinja`, template);
    const read = await readChatTemplate(openFolder(directory), "<image>");
    assertEquals(
      renderText(read!, [{ role: "user", content: "a" }]),
      "a\nend",
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("parseChatTemplate() writes images as the marker where contents are texts", () => {
  const { template } = record.templates.qwen2;
  const pieces = parseChatTemplate(template, { marker: "<image>" })
    .render([{ ...QUESTION, content: "<image>" }]);
  assertEquals(pieces.map(({ text }) => text).slice(-3), [
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\n",
    "<image>",
    "<|im_end|>\n<|im_start|>assistant\n",
  ]);
  assertEquals(pieces.map(({ special }) => special), [true, false, true]);
});

Deno.test("parseChatTemplate() has neither tools nor documents, which are none", () => {
  const template = parseChatTemplate(
    "{{ 'a' if tools is none }}{{ 'b' if documents is none }}{{ messages[0].content }}",
    { label: "a.jinja" },
  );
  assert(renderText(template, [QUESTION]).startsWith("ab"));
});

Deno.test("parseChatTemplate() refuses what it cannot use", () => {
  const options = { label: "a.jinja" };
  assertThrows(
    () => parseChatTemplate("{% for %}", options),
    SyntaxError,
    "Cannot read a.jinja as it is not a template: ",
  );
  const changing = [
    "{{ messages[0].content | upper }}",
    "{{ messages[0].content | length }}: {{ messages[0].content }}",
    "{{ messages[0].content }}{{ '!' if (messages[0].content | length) > 4 }}",
  ];
  for (const template of changing) {
    assertThrows(
      () => parseChatTemplate(template, options).render([QUESTION]),
      RangeError,
      "Cannot use a.jinja as it changes the text of messages beyond trimming it",
    );
  }
  assertThrows(
    () =>
      parseChatTemplate(record.templates.llama.template, options)
        .render([{ role: "assistant", content: "yes" }]),
    RangeError,
    "Cannot use a.jinja for this conversation: Conversation roles must alternate",
  );
});

Deno.test("conversationTemplate() refuses unknown names and late system messages", () => {
  assertThrows(
    () => conversationTemplate("chatml"),
    RangeError,
    'Cannot use a conversation template as its name must be one of internlm2-chat, Hermes-2, phi3-chat, internvl2_5: current value is "chatml"',
  );
  assertThrows(
    () =>
      conversationTemplate("phi3-chat")
        .render([QUESTION, { role: "system", content: "x" }]),
    RangeError,
    "Cannot write a conversation as only its first message may have the role system",
  );
});

Deno.test("conversationTemplate() names the token that ends an answer", () => {
  const stops = ["internlm2-chat", "phi3-chat", "internvl2_5"]
    .map((name) => conversationTemplate(name).stop);
  assertEquals(stops, [["<|im_end|>"], ["<|end|>"], ["<|im_end|>"]]);
});

Deno.test("readChatTemplate() takes the first of three files that is there", async () => {
  const directory = await Deno.makeTempDir();
  const write = (name: string, value: unknown) =>
    Deno.writeTextFile(
      `${directory}/${name}`,
      typeof value === "string" ? value : JSON.stringify(value),
    );
  const read = async () => {
    const template = await readChatTemplate(openFolder(directory), "<image>");
    return template && renderText(template, [QUESTION]);
  };
  try {
    assertEquals(await read(), null);
    await write("tokenizer_config.json", { bos_token: "<s>" });
    assertEquals(await read(), null);
    const named = (template: string) => [
      { name: "tool_use", template: "no" },
      { name: "default", template },
    ];
    await write("tokenizer_config.json", {
      bos_token: { content: "<s>" },
      eos_token: "</s>",
      pad_token: null,
      chat_template: named("{{ bos_token }}1{{ messages[0].content }}"),
    });
    assertEquals(await read(), "<s>1<image>\nwhat?");
    await write("chat_template.json", {
      chat_template: "{{ messages[0].content }}2{{ eos_token }}",
    });
    assertEquals(await read(), "<image>\nwhat?2</s>");
    await write("chat_template.jinja", "3{{ messages[0].content }}");
    assertEquals(await read(), "3<image>\nwhat?");
    await Deno.remove(`${directory}/chat_template.jinja`);
    await write("chat_template.json", {});
    await assertRejects(
      read,
      SyntaxError,
      'chat_template.json as "chat_template" must be a text, or a list with one named "default"',
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
