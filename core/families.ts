/**
 * The families of models that can be read, one file each in `families/`: how a
 * `config.json` describes one, and how its checkpoint names the weights. After
 * this file nothing asks which family a model is of.
 *
 * This module is browser compatible.
 */

import type { Family, ModelConfig } from "./config.ts";
import { internvlNames, parseInternvl } from "./families/internvl.ts";
import { internvl2Names, parseInternvl2 } from "./families/internvl2.ts";
import { llavaNames, parseLlava } from "./families/llava.ts";
import { Fields } from "./fields.ts";
import type { CheckpointNames } from "./names.ts";

/** Parsers by `model_type`. */
const PARSERS: Readonly<Record<string, (top: Fields) => ModelConfig>> = {
  "llava": parseLlava,
  "internvl_chat": parseInternvl2,
  "internvl": parseInternvl,
};

const NAMES: Readonly<
  Record<Family, (config: ModelConfig) => CheckpointNames>
> = {
  llava: llavaNames,
  internvl2: internvl2Names,
  internvl: internvlNames,
};

/**
 * Reads the configuration of a model of any family. Fields that the file leaves
 * out have the defaults of the classes that usually read it.
 *
 * @param json the parsed content of config.json
 * @param label what error messages call it, such as its path
 * @throws {TypeError} the file, or a nested part of it, is not a JSON object
 * @throws {RangeError} a field has a value that is wrong, or asks for something
 *   that this implementation lacks
 */
export function parseModelConfig(
  json: unknown,
  label: string = "config.json",
): ModelConfig {
  const top = new Fields(json, label);
  return top.oneOf("model_type", PARSERS)(top);
}

/** How the checkpoint of a model names its weights. */
export function checkpointNames(config: ModelConfig): CheckpointNames {
  return NAMES[config.family](config);
}
