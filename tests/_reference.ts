/** What tests of the reference backend share. */

import {
  type Backend,
  createReferenceBackend,
  type Indices,
  type Tensor,
  type Weight,
} from "../core/mod.ts";
import type { Tolerance } from "./_compare.ts";

/** The backend under test. */
export const reference: Backend = createReferenceBackend();

/**
 * The reference backend computes in 64 bits and rounds once to 32: half a unit
 * in the last place, and a floor for numbers that should be zero.
 */
export const ROUNDED_ONCE: Tolerance = { relative: 2 ** -24, absolute: 1e-12 };

/** A tensor of the reference backend from its values. */
export function tensor(
  shape: readonly number[],
  values: Iterable<number>,
): Tensor {
  return reference.upload(Float32Array.from(values), shape);
}

/** The weight of a linear layer of the reference backend from its values. */
export function weight(
  shape: readonly number[],
  values: Iterable<number>,
): Weight {
  return reference.uploadWeight(Float32Array.from(values), shape);
}

/** Integers of the reference backend from their values. */
export function indices(
  shape: readonly number[],
  values: Iterable<number>,
): Indices {
  return reference.upload(Int32Array.from(values), shape);
}

/** The numbers 0 … n − 1. */
export function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** Shape and values, to compare both at once. */
export async function contents(
  x: Tensor | Indices,
): Promise<{ shape: number[]; values: number[] }> {
  const values = x.type === "float"
    ? await reference.read(x)
    : await reference.read(x);
  return { shape: [...x.shape], values: [...values] };
}
