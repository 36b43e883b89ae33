/**
 * Rotary frequencies, and the scalings for sequences longer than those of
 * training (transformers' modeling_rope_utils).
 *
 * This module is browser compatible.
 */

/** How frequencies are scaled. */
export type RopeScaling =
  /** All are divided by a factor. */
  | { readonly type: "linear"; readonly factor: number }
  /** The base grows with sequences longer than `positions` (dynamic NTK). */
  | {
    readonly type: "dynamic";
    readonly factor: number;
    readonly positions: number;
  }
  /**
   * Each frequency has its own factor. There is one list of factors for sequences
   * up to `positions` and another for longer ones (LongRoPE, Phi-3's "su").
   */
  | {
    readonly type: "longrope";
    /** E/2 factors. */
    readonly short: readonly number[];
    /** E/2 factors. */
    readonly long: readonly number[];
    readonly positions: number;
    /** Multiplies cosines and sines. */
    readonly attentionFactor: number;
  }
  /** Low frequencies are divided by a factor, middle ones by less (Llama 3.1). */
  | {
    readonly type: "llama3";
    readonly factor: number;
    /** Waves longer than positions / lowFactor are divided. */
    readonly lowFactor: number;
    /** Waves shorter than positions / highFactor are left alone. */
    readonly highFactor: number;
    readonly positions: number;
  };

/** The rotary frequencies of a decoder. */
export interface RopeConfig {
  /** Their base, θ. */
  readonly theta: number;
  /** Null for none. */
  readonly scaling: RopeScaling | null;
}

/**
 * Rotary frequencies in radians per position, E/2 of them.
 *
 * @param E width of a head
 * @param length tokens in the whole sequence
 */
export function ropeFrequencies(
  { theta, scaling }: RopeConfig,
  E: number,
  length: number,
): Float32Array {
  const base = scaling?.type === "dynamic" && length > scaling.positions
    ? theta *
      (scaling.factor * length / scaling.positions - scaling.factor + 1) **
        (E / (E - 2))
    : theta;
  return Float32Array.from({ length: E / 2 }, (_, e) => {
    const frequency = base ** (-2 * e / E);
    switch (scaling?.type) {
      case "linear":
        return frequency / scaling.factor;
      case "longrope":
        return frequency /
          (length > scaling.positions ? scaling.long : scaling.short)[e];
      case "llama3":
        return stretchLowFrequency(frequency, scaling);
      default:
        return frequency;
    }
  });
}

function stretchLowFrequency(
  frequency: number,
  { factor, lowFactor, highFactor, positions }: RopeScaling & {
    type: "llama3";
  },
): number {
  const waves = positions * frequency / (2 * Math.PI);
  const kept = Math.min(
    Math.max((waves - lowFactor) / (highFactor - lowFactor), 0),
    1,
  );
  return frequency * (kept + (1 - kept) / factor);
}

/** The longest sequence that has the same frequencies as a short one. */
export function unscaledLength({ scaling }: RopeConfig): number {
  return scaling?.type === "dynamic" || scaling?.type === "longrope"
    ? scaling.positions
    : Infinity;
}

/** The factor of cosines and sines. */
export function attentionFactor({ scaling }: RopeConfig): number {
  return scaling?.type === "longrope" ? scaling.attentionFactor : 1;
}
