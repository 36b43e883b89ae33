// A model's folder, checked and ready to use: what its files say about
// pictures, prompts and answers, whichever family the model is of.

import type { Family, ModelConfig } from "../core/config.ts";
import { Fields } from "../core/checkpoints/fields.ts";
import type { ModelSource } from "../core/model.ts";
import {
  type ImageProcessor,
  parseImageProcessor,
  parseInternVlProcessor,
} from "../core/images/preprocess.ts";
import {
  CONVERSATION_NAMES,
  conversationTemplate,
  llavaTemplate,
} from "./conversations.ts";
import {
  type Folder,
  type JsonFile,
  openFolder,
  type Place,
} from "./folder.ts";
import { ignoredSettings } from "./generation_settings.ts";
import { loadCheckpoint } from "./hf.ts";
import { type ImageFormat, imageFormats } from "./prompts.ts";
import { type ChatTemplate, readChatTemplate } from "./templates.ts";
import { parseTokenizer, type TextPiece, type Tokenizer } from "./tokenizer.ts";

/** What a model's folder holds, the weights yet to be read. */
export interface ModelDirectory {
  /** What `loadVisionLanguageModel` takes. */
  readonly source: ModelSource;
  /** What is done to pictures of any size. */
  readonly processor: ImageProcessor;
  /** Text to token ids and back. */
  readonly tokenizer: Tokenizer;
  /** How the model wants conversations written. */
  readonly template: ChatTemplate;
  /** How it wants images written in them. */
  readonly format: ImageFormat;
  /**
   * Tokens that end an answer; the first is the one that the template writes
   * after an answer, where it writes one of them.
   */
  readonly stopTokens: readonly number[];
  /** The longest answer that its files ask for, if they do. */
  readonly maxTokens: number | null;
  /**
   * Settings of generation_config.json, by name, that would change answers and
   * are not obeyed.
   */
  readonly ignoredSettings: readonly string[];
}

/** `</s>`, the default of LlamaConfig. */
const LLAMA_END = 2;

/** No answer is longer. */
const MAX_TOKENS = 2 ** 20;

/**
 * Opens a model's folder: reads and checks all of it but the weights, of which
 * it reads the names and shapes.
 *
 * @param place Where the folder is: a path, an address, a browser's files.
 * @returns What it holds.
 * @throws {Error} If a file is missing or cannot be read.
 * @throws {SyntaxError} If a file is not what its name says.
 * @throws {TypeError} If a file has another structure.
 * @throws {RangeError} If a field is wrong, or asks for something that this
 *   implementation lacks.
 */
export async function openModelDirectory(
  place: Place,
): Promise<ModelDirectory> {
  const folder = openFolder(place);
  const { label: directory } = folder;
  const checkpoint = await loadCheckpoint(folder);
  const { config: configFile, model: config } = checkpoint;
  const processor = config.family === "internvl2"
    ? parseInternVlProcessor(configFile.json, configFile.path)
    : readProcessor(checkpoint.preprocessor, directory);
  const tokenizer = parseTokenizer(
    checkpoint.tokenizer,
    `${directory}/tokenizer.json`,
  );
  const format = imageFormats[config.family];
  const template = await TEMPLATES[config.family](folder, configFile);
  const generation = checkpoint.generation
    ? new Fields(checkpoint.generation.json, checkpoint.generation.path)
    : generationOf(configFile, config);
  return {
    source: {
      config,
      normalization: processor.normalization,
      tensors: checkpoint.weights,
      label: directory,
    },
    processor,
    tokenizer,
    template,
    format,
    stopTokens: inTemplatesOrder(template, tokenizer, [
      ...new Set([
        ...template.stop.map((token) => idOf(tokenizer, token, directory)),
        ...parseStopTokens(generation, config),
      ]),
    ]),
    maxTokens: generation.has("max_new_tokens")
      ? generation.integer("max_new_tokens", undefined, 1, MAX_TOKENS)
      : null,
    ignoredSettings: ignoredSettings(generation),
  };
}

/**
 * Stop tokens, the one first that the template writes after an answer: of a list
 * in generation_config.json only that one is the end of what a user would write.
 */
function inTemplatesOrder(
  template: ChatTemplate,
  tokenizer: Tokenizer,
  stopTokens: readonly number[],
): number[] {
  const answer = "yes";
  const question = { role: "user", content: "Is it?" } as const;
  let pieces: TextPiece[];
  try {
    pieces = template.render([
      { ...question, images: 1 },
      { role: "assistant", content: answer },
      question,
    ]);
  } catch {
    // A template may allow one question alone.
    return [...stopTokens];
  }
  const at = pieces.findIndex(({ text, special }) =>
    !special && text === answer
  );
  const text = at < 0 ? "" : pieces[at + 1]?.text.trimStart() ?? "";
  const [end] = tokenizer.encode([{ text, special: true }]);
  if (!stopTokens.includes(end)) return [...stopTokens];
  return [end, ...stopTokens.filter((id) => id !== end)];
}

function readProcessor(
  preprocessor: JsonFile | null,
  directory: string,
): ImageProcessor {
  if (preprocessor === null) {
    throw new Error(
      `Cannot load ${directory} as it has neither preprocessor_config.json nor an "image_processor" in processor_config.json`,
    );
  }
  return parseImageProcessor(preprocessor.json, preprocessor.path);
}

/**
 * What a folder without generation_config.json says of answers: transformers
 * takes it from config.json, and of that from the decoder's part last. The
 * original InternVL2 goes by its template alone, and has no such part.
 */
function generationOf(
  { json, path }: JsonFile,
  { family }: ModelConfig,
): Fields {
  const top = new Fields(json, path);
  if (top.has("eos_token_id")) return top;
  const { text_config: text } = json as {
    text_config?: Record<string, unknown> | null;
  };
  const isLlama = family === "llava" || text?.model_type === "llama";
  // transformers 4 does not write what LlamaConfig has by default, but null.
  const byDefault = isLlama ? { "eos_token_id": LLAMA_END } : {};
  return new Fields({ ...byDefault, ...text }, path, "text_config.");
}

/** Where each family keeps the template of its conversations. */
const TEMPLATES: Readonly<
  Record<
    Family,
    (folder: Folder, config: JsonFile) => Promise<ChatTemplate>
  >
> = {
  llava: async (folder) =>
    await readChatTemplate(folder, imageFormats.llava.marker) ??
      llavaTemplate,
  // The original code never uses the one in tokenizer_config.json.
  internvl2: (_, { json, path }) => {
    const names = Object.fromEntries(CONVERSATION_NAMES.map((n) => [n, n]));
    const name = new Fields(json, path).oneOf("template", names);
    return Promise.resolve(conversationTemplate(name));
  },
  internvl: async (folder) => {
    const { marker } = imageFormats.internvl;
    const template = await readChatTemplate(folder, marker);
    if (template !== null) return template;
    throw new Error(
      `Cannot load ${folder.label} as it has no chat template: neither chat_template.jinja, nor chat_template.json, nor "chat_template" in tokenizer_config.json`,
    );
  },
};

function idOf(tokenizer: Tokenizer, token: string, directory: string): number {
  const id = tokenizer.tokenId(token);
  if (id === undefined) {
    throw new RangeError(
      `Cannot load ${directory} as its tokenizer must have the token ${token}, which ends answers`,
    );
  }
  return id;
}

/** `eos_token_id`: one id, a list of them, or none. */
function parseStopTokens(
  generation: Fields,
  { decoder: { vocabulary } }: ModelConfig,
): number[] {
  const value = generation.get("eos_token_id") ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  return ids.map((id) => {
    if (
      typeof id !== "number" || !Number.isInteger(id) || id < 0 ||
      id >= vocabulary
    ) {
      throw generation.error(
        "eos_token_id",
        `must be integers in [0, ${vocabulary - 1}]`,
        value,
      );
    }
    return id;
  });
}
