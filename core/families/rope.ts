/**
 * Reading the rotary settings of a decoder's configuration.
 *
 * This module is browser compatible.
 */

import type { Fields } from "../checkpoints/fields.ts";
import type { RopeConfig, RopeScaling } from "../rope.ts";

/** Settings of a decoder on which its rotary settings depend. */
export interface RopeContext {
  /** E, width of a head. */
  readonly headWidth: number;
  /** The largest number of positions (`max_position_embeddings`). */
  readonly maxPositions: number;
  /** Positions of the first training; the default of its class, if it has one. */
  readonly originalPositions?: number;
}

/** Names of scalings in config.json. */
const TYPES: Readonly<Record<string, RopeScaling["type"] | null>> = {
  "default": null,
  "linear": "linear",
  "dynamic": "dynamic",
  "longrope": "longrope",
  "su": "longrope",
  "llama3": "llama3",
};

/**
 * Reads the rotary settings of a decoder. transformers 5 nests them all in
 * `rope_parameters`; before, `rope_theta` stood alone and `rope_scaling` held
 * the rest.
 *
 * @throws {TypeError} or {RangeError} naming the field that is wrong
 */
export function parseRope(fields: Fields, context: RopeContext): RopeConfig {
  const older = fields.has("rope_scaling");
  const rope = fields.record(older ? "rope_scaling" : "rope_parameters");
  const type = rope.oneOf(
    rope.has("type") && !rope.has("rope_type") ? "type" : "rope_type",
    TYPES,
    "default",
  );
  for (const from of [fields, rope]) {
    const share = from.positive("partial_rotary_factor", 1);
    if (share !== 1) {
      throw from.error("partial_rotary_factor", "must be 1", share);
    }
  }
  return {
    theta: rope.positive("rope_theta", fields.positive("rope_theta", 10000)),
    scaling: type && parseScaling(type, rope, fields, context),
  };
}

function parseScaling(
  type: RopeScaling["type"],
  rope: Fields,
  fields: Fields,
  { headWidth, maxPositions, originalPositions }: RopeContext,
): RopeScaling {
  const original = (): number =>
    fields.integer(
      "original_max_position_embeddings",
      originalPositions ??
        rope.integer("original_max_position_embeddings", maxPositions, 2),
      2,
    );
  const factors = (field: string): number[] => {
    const list = rope.numbers(field, headWidth / 2);
    if (list.some((factor) => factor <= 0)) {
      throw rope.error(field, "must hold positive numbers", list);
    }
    return list;
  };
  switch (type) {
    case "linear":
      return { type, factor: rope.positive("factor") };
    case "dynamic":
      return { type, factor: rope.positive("factor"), positions: maxPositions };
    case "longrope": {
      const positions = original();
      const factor = rope.positive("factor", maxPositions / positions);
      return {
        type,
        short: factors("short_factor"),
        long: factors("long_factor"),
        positions,
        attentionFactor: rope.positive(
          "attention_factor",
          Math.sqrt(1 + Math.max(0, Math.log(factor)) / Math.log(positions)),
        ),
      };
    }
    case "llama3": {
      const lowFactor = rope.positive("low_freq_factor");
      const highFactor = rope.positive("high_freq_factor");
      if (highFactor <= lowFactor) {
        throw rope.error(
          "high_freq_factor",
          `must be above low_freq_factor (${lowFactor})`,
          highFactor,
        );
      }
      const factor = rope.positive("factor");
      return { type, factor, lowFactor, highFactor, positions: original() };
    }
  }
}
