/**
 * Input from outside: Hugging Face model folders, tokenizers and chat templates,
 * image files, question files. Models are read from a folder of this machine
 * (Deno, Node, Bun), from an address, or from files picked in a browser.
 *
 * @example Open a model's folder
 * ```ts ignore
 * import { openModelDirectory } from "@tokensieve/tokensieve/io";
 *
 * const { source, tokenizer } = await openModelDirectory("models/tiny");
 * const ids = tokenizer.encode("what color is the circle ?");
 * const head = await source.tensors.read("language_model.lm_head.weight");
 * ```
 *
 * @module
 */

export * from "./conversations.ts";
export * from "./dataset.ts";
export * from "./files.ts";
export * from "./folder.ts";
export * from "./hf.ts";
export { decodeImage, encodePng, type RgbImage } from "./images.ts";
export * from "./model_directory.ts";
export * from "./prompts.ts";
export * from "./schedule_file.ts";
export * from "./templates.ts";
export * from "./tokenizer.ts";
