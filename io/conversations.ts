// Chat templates of models whose folders have none: InternVL2 in its original
// layout (the templates of its conversation.py, which "template" in config.json
// names) and LLaVA-1.5 as in llava-hf.

import type { ChatTemplate, Message } from "./templates.ts";
import type { TextPiece } from "./tokenizer.ts";

/** Role markers around messages: the style that InternVL calls MPT. */
interface Markers {
  readonly system: string;
  readonly systemMessage: string;
  readonly user: string;
  readonly assistant: string;
  /** Ends every message; trimmed, it also ends the model's answer. */
  readonly separator: string;
}

const SYSTEM_2 =
  "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。";
const SYSTEM_2_5 =
  "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。";

const CHATML: Markers = {
  system: "<|im_start|>system\n",
  systemMessage: SYSTEM_2,
  user: "<|im_start|>user\n",
  assistant: "<|im_start|>assistant\n",
  separator: "<|im_end|>",
};

/** Templates by name, each with the checkpoints that use it. */
const CONVERSATIONS: Readonly<Record<string, Markers>> = {
  // InternVL2-2B, -8B
  "internlm2-chat": CHATML,
  // InternVL2-1B, -40B
  "Hermes-2": CHATML,
  // InternVL2-4B
  "phi3-chat": {
    system: "<|system|>\n",
    systemMessage: SYSTEM_2,
    user: "<|user|>\n",
    assistant: "<|assistant|>\n",
    separator: "<|end|>",
  },
  // InternVL2.5, InternVL3
  "internvl2_5": {
    ...CHATML,
    systemMessage: SYSTEM_2_5,
    separator: "<|im_end|>\n",
  },
};

/** Values that "template" in config.json may have. */
export const CONVERSATION_NAMES: readonly string[] = Object.keys(CONVERSATIONS);

/**
 * The conversation template of an InternVL model in its original layout. An
 * image is written `<image>` and a line break.
 *
 * @example
 * ```ts
 * import { conversationTemplate } from "@tokensieve/tokensieve/io";
 *
 * const { stop } = conversationTemplate("phi3-chat");
 * console.log(stop); // ["<|end|>"]
 * ```
 *
 * @param name "template" in its config.json.
 * @returns The template.
 * @throws {RangeError} If no template has that name.
 */
export function conversationTemplate(name: string): ChatTemplate {
  if (!Object.hasOwn(CONVERSATIONS, name)) {
    throw new RangeError(
      `Cannot use a conversation template as its name must be one of ${
        CONVERSATION_NAMES.join(", ")
      }: current value is "${name}"`,
    );
  }
  const markers = CONVERSATIONS[name];
  return {
    stop: [markers.separator.trim()],
    render: (messages) => renderWithMarkers(messages, markers),
  };
}

function renderWithMarkers(
  messages: readonly Message[],
  { system, systemMessage, user, assistant, separator }: Markers,
): TextPiece[] {
  const [first] = messages;
  const given = first?.role === "system";
  const pieces = [
    template(system),
    given ? words(first.content) : template(systemMessage),
    template(separator),
  ];
  for (const { role, content, images = 0 } of messages.slice(given ? 1 : 0)) {
    if (role === "system") {
      throw new RangeError(
        "Cannot write a conversation as only its first message may have the role system",
      );
    }
    pieces.push(template(
      (role === "user" ? user : assistant) + "<image>\n".repeat(images),
    ));
    // The original code omits the separator of an empty message.
    if (content === "" && images === 0) continue;
    pieces.push(words(content), template(separator));
  }
  return [...pieces, template(assistant)];
}

/**
 * The prompt that LLaVA-1.5 was trained with, "USER: <image>⏎question ASSISTANT:",
 * as the chat template of llava-hf has it. For folders without that template.
 */
export const llavaTemplate: ChatTemplate = {
  stop: [],
  render(messages: readonly Message[]): TextPiece[] {
    const pieces = messages.flatMap(({ role, content, images = 0 }) => [
      template(
        (role === "system" ? "" : `${role.toUpperCase()}: `) +
          "<image>\n".repeat(images),
      ),
      words(content),
      template(" "),
    ]);
    return [...pieces, template("ASSISTANT:")];
  },
};

function template(text: string): TextPiece {
  return { text, special: true };
}

function words(text: string): TextPiece {
  return { text, special: false };
}
