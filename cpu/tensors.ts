/**
 * Tensors of the CPU backend: shapes over blocks of an arena, and the scopes
 * that free them.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor, Weight } from "../core/backend.ts";
import { sizeOf } from "../core/sizes.ts";
import { Scopes } from "../core/scopes.ts";
import type { Arena } from "./memory.ts";

/** Types of content; see `Tensor`, `Indices` and `Weight`. */
export type Content = (Tensor | Indices | Weight)["type"];

/** A tensor of this backend: a shape over a block of memory. */
export class CpuTensor<T extends Content = Content> {
  /** Its type of content. */
  readonly type: T;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Address of its values; 0 after it was freed. */
  address: number;
  /** Bytes that were allocated. */
  readonly bytes: number;

  /** Wraps an allocated block. */
  constructor(
    type: T,
    shape: readonly number[],
    address: number,
    bytes: number,
  ) {
    this.type = type;
    this.shape = shape;
    this.address = address;
    this.bytes = bytes;
  }
}

/**
 * The address of a tensor's values.
 *
 * @throws {TypeError} the tensor was freed, or another backend made it
 */
export function addressOf(x: Tensor | Indices | Weight): number {
  const { address } = x as CpuTensor;
  if (!address) {
    throw new TypeError(
      `Cannot use a tensor as it must be one of this backend that was not freed: current shape is [${x.shape}]`,
    );
  }
  return address;
}

/** Makes and frees tensors, explicitly and by scope. */
export class TensorPool {
  readonly #arena: Arena;
  readonly #onFree: (x: CpuTensor) => void;
  readonly #scopes: Scopes<CpuTensor> = new Scopes(
    (value) => value instanceof CpuTensor,
    (x) => this.free(x),
  );

  /**
   * Starts empty.
   *
   * @param onFree called before a tensor's memory is given back
   */
  constructor(arena: Arena, onFree: (x: CpuTensor) => void) {
    this.#arena = arena;
    this.#onFree = onFree;
  }

  /**
   * A tensor with undefined values.
   *
   * @param bytes its size; default 4 bytes per value
   */
  make<T extends Content>(
    type: T,
    shape: readonly number[],
    bytes: number = 4 * sizeOf(shape),
  ): CpuTensor<T> {
    const x = new CpuTensor(type, shape, this.#arena.allocate(bytes), bytes);
    this.#scopes.add(x);
    return x;
  }

  /** Frees a tensor's memory; freeing it again does nothing. */
  free(x: CpuTensor): void {
    if (!x.address) return;
    this.#onFree(x);
    this.#arena.free(x.address, x.bytes);
    x.address = 0;
  }

  /** See `Backend.scope`. */
  scope<T>(body: () => T): T {
    return this.#scopes.run(body);
  }
}
