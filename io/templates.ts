// Chat templates: Jinja texts in a model's folder that turn a conversation into
// a prompt. jinja/template.ts renders them. The words of users are then found
// again in the prompt, so that none of them becomes a special token.

import { type Folder, readJsonIn, readTextIn } from "./folder.ts";
import {
  type JinjaTemplate,
  pythonStrip,
  readJinja,
} from "./jinja/template.ts";
import type { TextPiece } from "./tokenizer.ts";

/** One message of a conversation. */
export interface Message {
  /** The speaker. */
  readonly role: "system" | "user" | "assistant";
  /** The text. Special tokens that are spelled in it stay letters. */
  readonly content: string;
  /** Number of images before the text. Default 0. */
  readonly images?: number;
}

/** Turns a conversation into a prompt as a model was trained with. */
export interface ChatTemplate {
  /**
   * The prompt up to the beginning of the model's answer. An image is written as
   * the template's marker, in a piece that is special.
   *
   * @throws {RangeError} If the template does not allow the conversation.
   */
  render(messages: readonly Message[]): TextPiece[];
  /** Tokens that end an answer, besides those of generation_config.json. */
  readonly stop: readonly string[];
}

/** Options of a Jinja template. */
export interface ChatTemplateOptions {
  /** The template's name in errors. Default "the chat template". */
  readonly label?: string;
  /** Text that stands for an image where the template takes text only. */
  readonly marker?: string;
  /** Variables such as `bos_token` and `eos_token`. Default none. */
  readonly tokens?: Readonly<Record<string, string>>;
}

/** Stands for message i in a prompt. No template has characters of private use. */
const standIn = (i: number): string => `\uE000${i}\uE001`;
const STAND_IN = /\uE000(\d+)\uE001/;

/**
 * Makes a chat template of a Jinja text.
 *
 * @example
 * ```ts
 * import { parseChatTemplate } from "@tokensieve/tokensieve/io";
 *
 * const { render } = parseChatTemplate(
 *   "{% for m in messages %}[{{ m.content }}]{% endfor %}",
 * );
 * console.log(render([{ role: "user", content: "hello" }])[1].text); // "hello"
 * ```
 *
 * @param template The text.
 * @param options Variables and names.
 * @returns The template.
 * @throws {SyntaxError} If the text is not a template.
 */
export function parseChatTemplate(
  template: string,
  { label = "the chat template", marker = "", tokens = {} }:
    ChatTemplateOptions = {},
): ChatTemplate {
  let parsed: JinjaTemplate;
  try {
    parsed = readJinja(template);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${label} as it is not a template: ${
        (error as Error).message
      }`,
      { cause: error },
    );
  }
  const run = (messages: readonly Message[], parts: boolean): string =>
    parsed.render({
      ...tokens,
      messages: messages.map((message) => toVariable(message, parts, marker)),
      "add_generation_prompt": true,
      // Templates ask whether these are none, which undefined is not.
      "tools": null,
      "documents": null,
    });
  const parts = takesParts(run);

  return {
    stop: [],
    render(messages): TextPiece[] {
      let text: string;
      let pattern: string;
      try {
        text = run(messages, parts);
        // An empty content may change the template's course, so it stays empty.
        pattern = run(
          messages.map((message, i) => ({
            ...message,
            content: message.content === "" ? "" : standIn(i),
          })),
          parts,
        );
      } catch (error) {
        throw new RangeError(
          `Cannot use ${label} for this conversation: ${
            (error as Error).message
          }`,
          { cause: error },
        );
      }
      const pieces = alignContents(text, pattern, messages);
      if (pieces === null) {
        throw new RangeError(
          `Cannot use ${label} as it changes the text of messages beyond trimming it`,
        );
      }
      checkUserMessages(pattern, messages, label);
      return pieces;
    },
  };
}

/** A message as templates read it. */
function toVariable(
  { role, content, images = 0 }: Message,
  parts: boolean,
  marker: string,
): unknown {
  if (!parts) return { role, content: `${marker}\n`.repeat(images) + content };
  return {
    role,
    content: [
      ...Array.from({ length: images }, () => ({ type: "image" })),
      { type: "text", text: content },
    ],
  };
}

/** Whether a template reads contents as lists of parts, and not as text. */
function takesParts(
  run: (messages: readonly Message[], parts: boolean) => string,
): boolean {
  try {
    const text = run([{ role: "user", content: standIn(0) }], true);
    // A list that is printed shows the names of its fields.
    return STAND_IN.test(text) && !/["']type["']/.test(text);
  } catch {
    return false;
  }
}

/**
 * Finds the contents of messages in a rendered text. Templates may trim them.
 *
 * @param pattern The same text with a stand-in for each content.
 * @returns The text in pieces; null where the text does not follow the pattern.
 */
function alignContents(
  text: string,
  pattern: string,
  messages: readonly Message[],
): TextPiece[] | null {
  // Template, number, template, number, …, template.
  const split = pattern.split(STAND_IN);
  if (!text.startsWith(split[0])) return null;
  const pieces: TextPiece[] = [{ text: split[0], special: true }];
  let at = split[0].length;
  for (let i = 1; i < split.length; i += 2) {
    const { content } = messages[Number(split[i])];
    const after = split[i + 1];
    const written = findTrimmed(content, after, text, at);
    if (written === null) return null;
    pieces.push({ text: written, special: false });
    pieces.push({ text: after, special: true });
    at += written.length + after.length;
  }
  return at === text.length ? pieces : null;
}

/** The longest part of a content, trimmed at its ends, that stands in a text. */
function findTrimmed(
  content: string,
  after: string,
  text: string,
  at: number,
): string | null {
  const first = content.length - pythonStrip(content, null, "left").length;
  const last = pythonStrip(content, null, "right").length;
  for (let start = 0; start <= first; start++) {
    // In whitespace alone the end may lie before the trimmed start.
    for (let end = content.length; end >= Math.max(start, last); end--) {
      if (!text.startsWith(after, at + end - start)) continue;
      const written = content.slice(start, end);
      if (text.startsWith(written, at)) return written;
    }
  }
  return null;
}

/** Checks that the prompt has every question: a model would answer without it. */
function checkUserMessages(
  pattern: string,
  messages: readonly Message[],
  label: string,
): void {
  messages.forEach(({ role, content }, i) => {
    if (role === "user" && content !== "" && !pattern.includes(standIn(i))) {
      throw new RangeError(
        `Cannot use ${label} as it leaves out the user's words, message ${
          i + 1
        }`,
      );
    }
  });
}

/**
 * Reads the chat template of a model's folder: chat_template.jinja,
 * chat_template.json, or the one in tokenizer_config.json.
 *
 * @param folder The folder.
 * @param marker Text that stands for an image where the template takes text only.
 * @returns The template, or null where there is none.
 * @throws {Error} If a file cannot be read.
 * @throws {SyntaxError} If a file is not what its name says.
 */
export async function readChatTemplate(
  folder: Folder,
  marker: string,
): Promise<ChatTemplate | null> {
  const config = asRecord(
    (await readJsonIn(folder, "tokenizer_config.json"))?.json ?? {},
  );
  const found = await findTemplate(folder, config);
  if (found === null) return null;
  const { text, label } = found;
  return parseChatTemplate(text, { label, marker, tokens: tokensOf(config) });
}

interface FoundTemplate {
  readonly text: string;
  readonly label: string;
}

async function findTemplate(
  folder: Folder,
  config: Readonly<Record<string, unknown>>,
): Promise<FoundTemplate | null> {
  const jinja = "chat_template.jinja";
  const whole = await readTextIn(folder, jinja);
  if (whole !== null) return { text: whole, label: `${folder.label}/${jinja}` };
  const file = await readJsonIn(folder, "chat_template.json");
  const label = file?.path ?? `${folder.label}/tokenizer_config.json`;
  const template = file
    ? asRecord(file.json).chat_template
    : config.chat_template;
  if (template === undefined && file === null) return null;
  const text = Array.isArray(template)
    ? template.find((entry) => entry?.name === "default")?.template
    : template;
  if (typeof text !== "string") {
    throw new SyntaxError(
      `Cannot read ${label} as "chat_template" must be a text, or a list with one named "default"`,
    );
  }
  return { text, label };
}

/** Variables such as `bos_token`: texts, or objects with a `content`. */
function tokensOf(
  config: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    const text = typeof value === "string" ? value : asRecord(value).content;
    if (name.endsWith("_token") && typeof text === "string") {
      tokens[name] = text;
    }
  }
  return tokens;
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null
    ? value as Record<string, unknown>
    : {};
}
