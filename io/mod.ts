/**
 * What comes from outside: Hugging Face model folders, tokenizers and chat
 * templates, image files, question files. Only `files.ts` touches Deno; the rest
 * takes bytes or text.
 *
 * @example Open a model's folder
 * ```ts ignore
 * import { loadCheckpoint, parseTokenizer } from "@tokensieve/tokensieve/io";
 *
 * const { config, tokenizer, weights } = await loadCheckpoint("models/tiny");
 * const ids = parseTokenizer(tokenizer).encode("what color is the circle ?");
 * const head = await weights.read("language_model.lm_head.weight");
 * ```
 *
 * @module
 */

export * from "./conversations.ts";
export * from "./dataset.ts";
export * from "./files.ts";
export * from "./hf.ts";
export * from "./images.ts";
export * from "./model_directory.ts";
export * from "./prompts.ts";
export * from "./question_text.ts";
export * from "./schedule_file.ts";
export * from "./templates.ts";
export * from "./tokenizer.ts";
