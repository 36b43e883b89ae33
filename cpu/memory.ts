/**
 * The memory of the CPU backend: one WebAssembly memory, cut into blocks.
 *
 * Forward passes request the same sizes again and again, so a freed block is kept
 * for the next request of its size. When memory runs out, freed blocks are joined
 * with their neighbours, and then serve any request (best fit). Joining them at
 * once would cost a search much time, because its cached states leave many holes.
 *
 * This module is browser compatible.
 */

/** Bytes of a WebAssembly page, the unit in which a memory grows. */
const PAGE = 2 ** 16;

/** The most that 32-bit addresses reach, in pages. */
const MAXIMUM_PAGES = 2 ** 16;

/** A cache line: blocks begin and end on one, so that none is shared. */
const ALIGNMENT = 64;

/**
 * Kernels read and write four or eight floats at a time, even if fewer are left. So
 * a block may be accessed this many bytes past its end.
 */
const SLACK = 28;

/** The smallest step in which memory grows, in pages: 4 MiB. */
const STEP_PAGES = 64;

/** A block that is not in use. */
interface FreeBlock {
  address: number;
  bytes: number;
}

/** An allocator of blocks in one WebAssembly memory. */
export class Arena {
  /** For a module to import. */
  readonly memory: WebAssembly.Memory;
  readonly #maximumPages: number;
  /** Addresses of freed blocks by size, the latest last. */
  readonly #returned: Map<number, number[]> = new Map();
  /** Other free blocks, by address; no two are adjacent. */
  readonly #free: FreeBlock[] = [];
  #floats: Float32Array;
  #integers: Int32Array;
  #used = 0;

  /**
   * Starts with one step of memory, all of it free.
   *
   * @param maximumPages how far it may grow, in pages of 64 KiB
   */
  constructor(maximumPages: number = MAXIMUM_PAGES) {
    this.#maximumPages = maximumPages;
    const initial = Math.min(STEP_PAGES, maximumPages);
    this.memory = new WebAssembly.Memory({ initial, maximum: maximumPages });
    this.#floats = new Float32Array(this.memory.buffer);
    this.#integers = new Int32Array(this.memory.buffer);
    // Address 0 is never allocated: kernels read it as "no tensor".
    this.#free.push({
      address: ALIGNMENT,
      bytes: initial * PAGE - ALIGNMENT,
    });
  }

  /** The whole memory as floats. Do not keep it: growing makes a new one. */
  get floats(): Float32Array {
    return this.#floats;
  }

  /** The whole memory as integers. Do not keep it: growing makes a new one. */
  get integers(): Int32Array {
    return this.#integers;
  }

  /** Bytes in blocks that are in use. */
  get used(): number {
    return this.#used;
  }

  /** Bytes of memory, used or not; never less than before. */
  get size(): number {
    return this.#floats.byteLength;
  }

  /**
   * Allocates a block, with undefined content.
   *
   * @param bytes its size; may be 0
   * @returns its address, a multiple of 64 and not 0
   * @throws {RangeError} memory cannot grow so far
   */
  allocate(bytes: number): number {
    const size = blockSize(bytes);
    const address = this.#returned.get(size)?.pop() ?? this.#cut(size, bytes);
    this.#used += size;
    return address;
  }

  /**
   * Frees a block.
   *
   * @param address the result of `allocate`
   * @param bytes the argument of `allocate`
   */
  free(address: number, bytes: number): void {
    const size = blockSize(bytes);
    this.#used -= size;
    const sameSize = this.#returned.get(size);
    if (sameSize) sameSize.push(address);
    else this.#returned.set(size, [address]);
  }

  /** Cuts a block of `size` off a free one. */
  #cut(size: number, asked: number): number {
    let best = this.#smallest(size);
    if (best < 0) {
      this.#joinReturned();
      best = this.#smallest(size);
    }
    if (best < 0) {
      this.#grow(size, asked);
      best = this.#smallest(size);
    }
    const block = this.#free[best];
    const { address } = block;
    block.address += size;
    block.bytes -= size;
    if (block.bytes === 0) this.#free.splice(best, 1);
    return address;
  }

  /** Moves all freed blocks to the free list. */
  #joinReturned(): void {
    for (const [bytes, addresses] of this.#returned) {
      for (const address of addresses) this.#addFree(address, bytes);
    }
    this.#returned.clear();
  }

  /** Index in the free list of the smallest block of at least `size`, or −1. */
  #smallest(size: number): number {
    let best = -1;
    let bestBytes = Infinity;
    for (let i = 0; i < this.#free.length; i++) {
      const { bytes } = this.#free[i];
      if (bytes >= size && bytes < bestBytes) {
        best = i;
        bestBytes = bytes;
      }
    }
    return best;
  }

  /** Puts a block into the free list and joins it with its neighbours. */
  #addFree(address: number, bytes: number): void {
    const free = this.#free;
    let next = 0;
    while (next < free.length && free[next].address < address) next++;
    const before = free[next - 1];
    const after = free[next];
    const joinsBefore = before && before.address + before.bytes === address;
    const joinsAfter = after && address + bytes === after.address;
    if (joinsBefore && joinsAfter) {
      before.bytes += bytes + after.bytes;
      free.splice(next, 1);
    } else if (joinsBefore) {
      before.bytes += bytes;
    } else if (joinsAfter) {
      after.address = address;
      after.bytes += bytes;
    } else {
      free.splice(next, 0, { address, bytes });
    }
  }

  /**
   * Grows memory for a block of `size`, and by at least a quarter, so that growing,
   * which may copy everything, stays rare.
   */
  #grow(size: number, asked: number): void {
    const pages = this.size / PAGE;
    // New pages join what is free at the end.
    const last = this.#free.at(-1);
    const atEnd = last && last.address + last.bytes === this.size
      ? last.bytes
      : 0;
    const needed = Math.ceil((size - atEnd) / PAGE);
    const left = this.#maximumPages - pages;
    const step = Math.min(
      left,
      Math.max(needed, STEP_PAGES, Math.ceil(pages / 4)),
    );
    const grown = needed <= left &&
      (this.#tryGrow(step) ? step : this.#tryGrow(needed) ? needed : 0);
    if (!grown) {
      throw new RangeError(
        `Cannot allocate a tensor as its ${asked} bytes must fit into ${
          this.#maximumPages * PAGE
        } bytes of memory, of which ${this.used} are in use`,
      );
    }
    this.#floats = new Float32Array(this.memory.buffer);
    this.#integers = new Int32Array(this.memory.buffer);
    this.#addFree(pages * PAGE, grown * PAGE);
  }

  /** Whether memory could be grown: the machine may have less than is allowed. */
  #tryGrow(pages: number): boolean {
    try {
      this.memory.grow(pages);
      return true;
    } catch {
      return false;
    }
  }
}

/** Bytes of the block that serves a request. */
function blockSize(bytes: number): number {
  return Math.ceil((bytes + SLACK) / ALIGNMENT) * ALIGNMENT;
}
