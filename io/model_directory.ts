// A model's folder, checked and ready to use: how images, prompts and answers are
// made, for every family of models.

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

/** The contents of a model's folder; weights are read later. */
export interface ModelDirectory {
  /** The source that `loadVisionLanguageModel` takes. */
  readonly source: ModelSource;
  /** How an image of any size is prepared. */
  readonly processor: ImageProcessor;
  /** Text to token ids and back. */
  readonly tokenizer: Tokenizer;
  /** Turns conversations into prompts. */
  readonly template: ChatTemplate;
  /** The tokens of an image in a prompt. */
  readonly format: ImageFormat;
  /**
   * Tokens that end an answer. The one that the template writes after an answer
   * comes first, if it writes one.
   */
  readonly stopTokens: readonly number[];
  /** The longest answer by the files, in tokens; null where no file sets it. */
  readonly maxTokens: number | null;
  /**
   * Names of settings in generation_config.json that would change answers and
   * are ignored.
   */
  readonly ignoredSettings: readonly string[];
}

/** `</s>`, the default of LlamaConfig. */
const LLAMA_END = 2;

/** The largest `max_new_tokens` that is accepted. */
const MAX_TOKENS = 2 ** 20;

/**
 * Opens a model's folder: reads and checks all files, but only names and shapes
 * of the weights.
 *
 * @param place The folder: a path, an address, or a browser's files.
 * @returns Its contents.
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
 * Stop tokens with the one first that the template writes after an answer. In a
 * list of generation_config.json only that one ends a message of a conversation.
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
    // Some templates allow only one question.
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
 * Settings of generation for a folder without generation_config.json. transformers
 * takes them from config.json, and from its decoder part last. The original
 * InternVL2 uses only its template, and has no such part.
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
  // transformers 4 writes null for a value that is LlamaConfig's default.
  const byDefault = isLlama ? { "eos_token_id": LLAMA_END } : {};
  return new Fields({ ...byDefault, ...text }, path, "text_config.");
}

/** How each family finds its chat template. */
const TEMPLATES: Readonly<
  Record<
    Family,
    (folder: Folder, config: JsonFile) => Promise<ChatTemplate>
  >
> = {
  llava: async (folder) =>
    await readChatTemplate(folder, imageFormats.llava.marker) ??
      llavaTemplate,
  // The original code ignores the template in tokenizer_config.json.
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
