/**
 * Kernels that copy rows, combine them, and compare their values.
 *
 * This module is browser compatible.
 */

import {
  f32,
  f32x4,
  i32,
  type Module,
  type Operation,
  select,
  v128,
} from "../assembler.ts";

/** Adds the kernels of this file to a module. */
export function addRowKernels(module: Module): void {
  addCopyRows(module);
  addPairwise(module, "add", f32x4.add);
  addPairwise(module, "multiply", f32x4.mul);
  addAboveMean(module);
  addTopK(module);
}

/**
 * copyRows(out, source, rows, count, bytes):
 *
 * ```text
 * for i = 0 … count − 1: out[i] = source[rows[i]]    // rows of `bytes` bytes
 * ```
 *
 * `bytes` is a multiple of 4. Rows are written in ascending order, 16 bytes at a
 * time. Values written past the end of a row are overwritten by the next one; the
 * last one has slack behind it.
 */
function addCopyRows(module: Module): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (body, out, source, rows, count, bytes) => {
      const end = body.let(i32.add(rows, i32.shl(count, 2)));
      const offset = body.local("i32");
      body.while(i32.ltU(rows, end), () => {
        const from = body.let(
          i32.add(source, i32.mul(i32.load(rows), bytes)),
        );
        body.for(offset, { from: 0, to: bytes, step: 16 }, () => {
          body.store(
            i32.add(out, offset),
            v128.load(i32.add(from, offset)),
          );
        });
        body.set(out, i32.add(out, bytes));
        body.set(rows, i32.add(rows, 4));
      });
    },
    "copyRows",
  );
}

/**
 * name(out, x, y, count, bytes):
 *
 * ```text
 * for i = 0 … count − 1: out[i] = operation(x[i], y)    // rows of `bytes` bytes
 * ```
 *
 * Rows are written as in `copyRows`.
 */
function addPairwise(
  module: Module,
  name: string,
  operation: Operation<["v128", "v128"], "v128">,
): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (body, out, x, y, count, bytes) => {
      const offset = body.local("i32");
      body.while(count, () => {
        body.for(offset, { from: 0, to: bytes, step: 16 }, () => {
          body.store(
            i32.add(out, offset),
            operation(
              v128.load(i32.add(x, offset)),
              v128.load(i32.add(y, offset)),
            ),
          );
        });
        body.set(out, i32.add(out, bytes));
        body.set(x, i32.add(x, bytes));
        body.set(count, i32.sub(count, 1));
      });
    },
    name,
  );
}

/**
 * aboveMean(out, x, rows, bytes), for rows of `bytes` bytes:
 *
 * ```text
 * for each row: out = x ≥ min(Σ x / N, max x) ? 1 : 0
 * ```
 */
function addAboveMean(module: Module): void {
  module.function(
    ["i32", "i32", "i32", "i32"],
    (body, out, x, rows, bytes) => {
      const N = body.let(f32.convertI32U(i32.shrU(bytes, 2)));
      const sum = body.local("f32");
      const largest = body.local("f32");
      const at = body.local("i32");
      body.while(rows, () => {
        const end = body.let(i32.add(x, bytes));
        body.set(sum, f32.const(0));
        body.set(largest, f32.load(x));
        body.for(at, { from: x, to: end, step: 4 }, () => {
          body.set(sum, f32.add(sum, f32.load(at)));
          body.set(largest, f32.max(largest, f32.load(at)));
        });
        const least = body.let(f32.min(f32.div(sum, N), largest));
        body.for(at, { from: x, to: end, step: 4 }, () => {
          const isAbove = f32.ge(f32.load(at), least);
          body.store(out, select(f32.const(1), f32.const(0), isAbove));
          body.set(out, i32.add(out, 4));
        });
        body.set(x, end);
        body.set(rows, i32.sub(rows, 1));
      });
    },
    "aboveMean",
  );
}

/**
 * topK(out, scores, n, k): the columns of the k largest of n scores, ascending; ties
 * go to the lower column.
 *
 * ```text
 * key(s) = bits of s as an unsigned integer in the order of floats
 * kth = 0                                   // the k-th largest key, bit by bit
 * for bit = 31 … 0:
 *   if at least k keys ≥ kth + 2^bit: kth += 2^bit
 * equal = k − (number of keys > kth)        // how many of the ties are kept
 * for n: if key > kth, or key = kth and equal-- > 0: append n to out
 * ```
 */
function addTopK(module: Module): void {
  /** Negative floats have all bits flipped; adding +0 makes −0 and 0 equal. */
  const key = module.function(["i32"], (body, address) => {
    const bits = body.let(
      i32.reinterpretF32(f32.add(f32.load(address), f32.const(0))),
    );
    return i32.xor(bits, i32.or(i32.shrS(bits, 31), 0x80000000));
  });
  /** The number of keys ≥ `least`. */
  const countFrom = module.function(
    ["i32", "i32", "i32"],
    (body, scores, end, least) => {
      const found = body.let(i32.const(0));
      const at = body.local("i32");
      body.for(at, { from: scores, to: end, step: 4 }, () => {
        body.set(found, i32.add(found, i32.geU(key(at), least)));
      });
      return found;
    },
  );
  module.function(
    ["i32", "i32", "i32", "i32"],
    (body, out, scores, n, k) => {
      body.if(i32.eqz(k), () => body.return());
      const end = body.let(i32.add(scores, i32.shl(n, 2)));
      const kth = body.let(i32.const(0));
      const bit = body.let(i32.const(0x80000000));
      body.while(bit, () => {
        const candidate = body.let(i32.or(kth, bit));
        body.if(
          i32.geU(countFrom(scores, end, candidate), k),
          () => body.set(kth, candidate),
        );
        body.set(bit, i32.shrU(bit, 1));
      });
      // Keys equal to the k-th are kept while there is room.
      const equal = body.let(
        i32.sub(k, countFrom(scores, end, i32.add(kth, 1))),
      );
      const at = body.local("i32");
      const own = body.local("i32");
      body.for(at, { from: scores, to: end, step: 4 }, () => {
        body.set(own, key(at));
        body.if(i32.eq(own, kth), () => body.set(equal, i32.sub(equal, 1)));
        const kept = i32.or(
          i32.gtU(own, kth),
          i32.and(i32.eq(own, kth), i32.geS(equal, 0)),
        );
        body.if(kept, () => {
          body.store(out, i32.shrU(i32.sub(at, scores), 2));
          body.set(out, i32.add(out, 4));
        });
      });
    },
    "topK",
  );
}
