/**
 * Cosines and sines for rotary position embedding, computed once per position, in
 * 64 bits, from the same angle as in the reference.
 *
 * This module is browser compatible.
 */

import type { Arena } from "./memory.ts";

/** A row for every position seen so far: E/2 cosines, then E/2 sines. */
export class RotaryTable {
  readonly #arena: Arena;
  readonly #frequencies: Float32Array;
  /** Row numbers by position id; ids may be far apart. */
  readonly #rows = new Map<number, number>();
  #capacity = 64;
  #address: number;

  /**
   * Starts without rows.
   *
   * @param frequencies radians per position, shape [E/2]; not copied
   */
  constructor(arena: Arena, frequencies: Float32Array) {
    this.#arena = arena;
    this.#frequencies = frequencies;
    this.#address = arena.allocate(this.#bytes(this.#capacity));
  }

  /** Address of row 0. Adding rows may move it. */
  get address(): number {
    return this.#address;
  }

  /**
   * Writes the row numbers of position ids, and adds rows for new ones.
   *
   * @param positions address of `count` position ids
   * @param rows address of `count` row numbers, which are written
   */
  lookUp(positions: number, rows: number, count: number): void {
    for (let i = 0; i < count; i++) {
      // Adding a row may grow memory and so replace this view.
      const { integers } = this.#arena;
      const position = integers[positions / 4 + i];
      const row = this.#rows.get(position) ?? this.#add(position);
      this.#arena.integers[rows / 4 + i] = row;
    }
  }

  /** Frees its memory. */
  free(): void {
    this.#arena.free(this.#address, this.#bytes(this.#capacity));
  }

  /** Adds the row of a new position and returns its number. */
  #add(position: number): number {
    const row = this.#rows.size;
    if (row === this.#capacity) this.#double();
    const half = this.#frequencies.length;
    const at = (this.#address + this.#bytes(row)) / 4;
    const { floats } = this.#arena;
    for (let e = 0; e < half; e++) {
      const angle = position * this.#frequencies[e];
      floats[at + e] = Math.cos(angle);
      floats[at + half + e] = Math.sin(angle);
    }
    this.#rows.set(position, row);
    return row;
  }

  #double(): void {
    const bytes = this.#bytes(this.#capacity);
    const address = this.#arena.allocate(2 * bytes);
    const from = this.#address / 4;
    this.#arena.floats.copyWithin(address / 4, from, from + bytes / 4);
    this.#arena.free(this.#address, bytes);
    this.#address = address;
    this.#capacity *= 2;
  }

  #bytes(rows: number): number {
    return rows * 2 * this.#frequencies.length * 4;
  }
}
