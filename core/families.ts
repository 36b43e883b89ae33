/**
 * The families of models, one file each in `families/`: how a `config.json`
 * describes a model, and how its checkpoint names the weights. All other code is
 * the same for all families.
 *
 * This module is browser compatible.
 */

import type { Family, ModelConfig } from "./config.ts";
import { internvlNames, parseInternvl } from "./families/internvl.ts";
import { internvl2Names, parseInternvl2 } from "./families/internvl2.ts";
import { llavaNames, parseLlava } from "./families/llava.ts";
import { Fields } from "./checkpoints/fields.ts";
import type { CheckpointNames } from "./checkpoints/names.ts";

/** How a `model_type` is read. */
interface Kind {
  readonly parse: (top: Fields) => ModelConfig;
  /** The names that people know such models by. */
  readonly models: string;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "llava": { parse: parseLlava, models: "LLaVA-1.5" },
  "internvl_chat": {
    parse: parseInternvl2,
    models: "InternVL2 and later as first published",
  },
  "internvl": {
    parse: parseInternvl,
    models: "InternVL3 and others as transformers saves them",
  },
};

const NAMES: Readonly<
  Record<Family, (config: ModelConfig) => CheckpointNames>
> = {
  llava: llavaNames,
  internvl2: internvl2Names,
  internvl: internvlNames,
};

/**
 * Reads the configuration of a model of any family. Missing fields have the
 * defaults of the classes that usually read the file.
 *
 * @param json the parsed content of config.json
 * @param label its name in error messages, such as its path
 * @throws {TypeError} the file, or a nested part of it, is not a JSON object
 * @throws {RangeError} a field has a value that is wrong, or asks for something
 *   that this implementation lacks
 */
export function parseModelConfig(
  json: unknown,
  label: string = "config.json",
): ModelConfig {
  const top = new Fields(json, label);
  const type = top.get("model_type");
  if (typeof type !== "string" || !Object.hasOwn(KINDS, type)) {
    const known = Object.entries(KINDS)
      .map(([type, { models }]) => `"${type}" (${models})`);
    throw top.error("model_type", `must be one of ${known.join(", ")}`, type);
  }
  return KINDS[type].parse(top);
}

/** How the checkpoint of a model names its weights. */
export function checkpointNames(config: ModelConfig): CheckpointNames {
  return NAMES[config.family](config);
}
