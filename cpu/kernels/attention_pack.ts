/**
 * Packs the keys and values of a head into panels for the tiles of
 * `linear_tile.ts`, and position ids with their range per panel:
 *
 * ```text
 * keys[p][e][i]   = k[8 p + i][e]                       // packKeys
 * values[p][n][i] = v[n][8 p + i]                       // packValues
 * ranges[p]       = min, max of positions[8 p .. 8 p + 8]   // packPositions
 * ```
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  type FunctionBody,
  i32,
  type Local,
  type Module,
  type Operation,
  select,
  v128,
} from "../assembler.ts";
import { roundUp, VECTOR_BYTES } from "./attention_scratch.ts";
import { transpose } from "./lanes.ts";
import { PANEL_BYTES, PANEL_COLUMNS } from "./linear_tile.ts";

/**
 * packKeys(to, from, keys, stride, E): rows of one head, `stride` bytes apart, to
 * panels of 8 rows: [⌈keys / 8⌉, E, 8]. Copies of the last row pad the last panel;
 * their positions hide them.
 */
export type PackKeys = Operation<
  [to: "i32", from: "i32", keys: "i32", stride: "i32", E: "i32"],
  "none"
>;

/** Adds `packKeys`. */
export function addPackKeys(module: Module): PackKeys {
  return module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (body, to, from, keys, stride, E) => {
      const key = body.local("i32");
      const at = body.local("i32");
      const widthBytes = body.let(i32.shl(E, 2));
      const panelBytes = body.let(i32.mul(E, PANEL_BYTES));
      const rows = Array.from(
        { length: PANEL_COLUMNS },
        () => body.local("i32"),
      );
      const last = body.let(i32.sub(keys, 1));
      body.for(key, { from: 0, to: keys, step: PANEL_COLUMNS }, () => {
        for (const [i, row] of rows.entries()) {
          const own = body.let(i32.add(key, i));
          const there = select(own, last, i32.ltU(own, last));
          body.set(row, i32.add(from, i32.mul(there, stride)));
        }
        const target = body.let(to);
        // If E is not a multiple of 4, this writes past the panel: into the next
        // panel, or into the values, both of which are written later.
        body.for(at, { from: 0, to: widthBytes, step: VECTOR_BYTES }, () => {
          const load = (row: Local<"i32">) =>
            body.let(v128.load(i32.add(row, at)));
          const left = transpose(body, rows.slice(0, 4).map(load));
          const right = transpose(body, rows.slice(4).map(load));
          for (const i of [0, 1, 2, 3]) {
            body.store(target, left[i], i * PANEL_BYTES);
            body.store(target, right[i], i * PANEL_BYTES + VECTOR_BYTES);
          }
          body.set(target, i32.add(target, 4 * PANEL_BYTES));
        });
        body.set(to, i32.add(to, panelBytes));
      });
    },
  );
}

/**
 * packValues(to, from, keys, stride, E): rows of one head, `stride` bytes apart, to
 * panels of 8 columns: [⌈E / 8⌉, keys rounded up to 8, 8]. The content of the
 * padding does not matter: columns past E are not written out, and rows past the last,
 * which repeat it, have weight 0.
 */
export type PackValues = Operation<
  [to: "i32", from: "i32", keys: "i32", stride: "i32", E: "i32"],
  "none"
>;

/** Adds `packValues`. */
export function addPackValues(module: Module): PackValues {
  return module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (body, to, from, keys, stride, E) => {
      const column = body.local("i32");
      const key = body.local("i32");
      const paddedKeys = body.let(roundUp(keys));
      const last = body.let(i32.sub(keys, 1));
      body.for(column, { from: 0, to: E, step: PANEL_COLUMNS }, () => {
        const row = body.let(i32.add(from, i32.shl(column, 2)));
        body.for(key, { from: 0, to: paddedKeys }, () => {
          for (const at of [0, VECTOR_BYTES]) {
            body.store(to, v128.load(row, at), at);
          }
          body.set(to, i32.add(to, PANEL_BYTES));
          body.if(
            i32.ltU(key, last),
            () => body.set(row, i32.add(row, stride)),
          );
        });
      });
    },
  );
}

/** The largest position: no query attends to keys there. */
const NEVER = 2 ** 31 - 1;

/**
 * packPositions(positions, ranges, from, keys): position ids of the keys, and the
 * smallest and largest of each panel. If `from` is 0, all positions are 0. Padding
 * keys have the position `NEVER`.
 */
export type PackPositions = Operation<
  [positions: "i32", ranges: "i32", from: "i32", keys: "i32"],
  "none"
>;

/** Adds `packPositions`. */
export function addPackPositions(module: Module): PackPositions {
  return module.function(
    ["i32", "i32", "i32", "i32"],
    (body, positions, ranges, from, keys) => {
      const key = body.local("i32");
      const own = body.local("i32");
      const smallest = body.local("i32");
      const largest = body.local("i32");
      const paddedKeys = body.let(roundUp(keys));
      body.for(key, { from: 0, to: paddedKeys }, () => {
        body.set(own, NEVER);
        body.if(
          i32.ltU(key, keys),
          () => body.set(own, positionAt(body, from, key)),
        );
        body.store(i32.add(positions, i32.shl(key, 2)), own);
        const isFirst = i32.eqz(i32.and(key, PANEL_COLUMNS - 1));
        const replaces = (
          best: Local<"i32">,
          isBetter: Expression<"i32">,
        ): void => {
          body.set(best, select(own, best, i32.or(isFirst, isBetter)));
        };
        replaces(smallest, i32.ltS(own, smallest));
        replaces(largest, i32.gtS(own, largest));
        const range = i32.add(ranges, i32.and(key, -PANEL_COLUMNS));
        body.store(range, smallest);
        body.store(range, largest, 4);
      });
    },
  );
}

/** positions[i], or 0 if `positions` is 0. */
export function positionAt(
  body: FunctionBody,
  positions: Local<"i32">,
  i: Expression<"i32">,
): Local<"i32"> {
  const position = body.let(i32.const(0));
  body.if(positions, () => {
    body.set(position, i32.load(i32.add(positions, i32.shl(i, 2))));
  });
  return position;
}
