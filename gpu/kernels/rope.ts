/**
 * Rotary position embedding.
 *
 * Position ids live on the device and may be any integers, so angles can be in
 * the millions, where a GPU's sine has no digits left. The angle is therefore
 * taken modulo a whole turn in integers, exactly: with G = frequency / 2π in
 * units of 2⁻⁶⁴ turns, position · G modulo 2⁶⁴ is the fraction of a turn. What
 * remains is within an eighth of a turn of a quarter; there Taylor's series
 * gives sine and cosine to 3e-8.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./entry.ts";

/**
 * (a, b) → (a cos − b sin, b cos + a sin) for elements e and e + E/2 of each
 * head, angle = position · frequencies[e]. One thread takes element e of all
 * heads of a row. `width` is H·E, `half` is E/2.
 */
export const ROPE: Kernel<"rows" | "width" | "half"> = {
  label: "rope",
  sizes: ["rows", "width", "half"],
  inputs: ["x", "positions", "frequencies"],
  outputs: ["y"],
  grid: ({ rows, half }) => threads(rows * half),
  code: EACH_THREAD + `
struct Sizes { rows: u32, width: u32, half: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<i32>;
@group(0) @binding(3) var<storage, read> frequencies: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// All 64 bits of a · b; x is the lower word.
fn product(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffff) * (b & 0xffff);
  let middle = (a >> 16) * (b & 0xffff) + (low >> 16);
  let other = (a & 0xffff) * (b >> 16) + (middle & 0xffff);
  let high = (a >> 16) * (b >> 16) + (middle >> 16) + (other >> 16);
  return vec2u(a * b, high);
}

// |frequency| / 2π in units of 2⁻⁶⁴ turns, without whole turns.
fn turnsPerPosition(frequency: f32) -> vec2u {
  // |frequency| = mantissa · 2^(exponent − 158)
  let bits = bitcast<u32>(frequency);
  let mantissa = (bits << 8) | 0x80000000;
  let exponent = (bits >> 23) & 0xff;
  // The upper words of mantissa · (2⁶⁴ / 2π) are G · 2^(126 − exponent).
  let low = product(mantissa, 0x9391054a);
  let high = product(mantissa, 0x28be60db);
  var turns = vec2u(low.y + high.x, high.y);
  turns.y += u32(turns.x < high.x);
  for (var i = exponent; i < 126; i++) {
    turns = vec2u((turns.x >> 1) | (turns.y << 31), turns.y >> 1);
  }
  for (var i = exponent; i > 126; i--) {
    turns = vec2u(turns.x << 1, (turns.y << 1) | (turns.x >> 31));
  }
  return turns;
}

// Cosine and sine of position · frequency.
fn rotation(position: i32, frequency: f32) -> vec2f {
  let turns = turnsPerPosition(frequency);
  let distance = u32(abs(position));
  // The upper word of distance · turns, in units of 2⁻³² turns.
  let angle = distance * turns.y + product(distance, turns.x).y;
  let quarter = (angle + 0x20000000) >> 30;
  let t = f32(bitcast<i32>(angle - (quarter << 30))) * 1.4629180792671596e-9;
  let tt = t * t;
  let cosine = 1.0 - tt / 2.0 * (1.0 - tt / 12.0 * (1.0 - tt / 30.0 *
    (1.0 - tt / 56.0)));
  let sine = t * (1.0 - tt / 6.0 * (1.0 - tt / 20.0 * (1.0 - tt / 42.0 *
    (1.0 - tt / 72.0))));
  var turned = vec2f(cosine, sine);
  if ((quarter & 1) == 1) { turned = vec2f(-sine, cosine); }
  if ((quarter & 2) == 2) { turned = -turned; }
  if ((position < 0) != (frequency < 0.0)) { turned.y = -turned.y; }
  return turned;
}

fn compute(i: u32) {
  if (i >= sizes.rows * sizes.half) { return; }
  let row = i / sizes.half;
  let e = i % sizes.half;
  let turned = rotation(positions[row], frequencies[e]);
  let end = (row + 1) * sizes.width;
  for (var at = row * sizes.width + e; at < end; at += 2 * sizes.half) {
    let a = x[at];
    let b = x[at + sizes.half];
    y[at] = a * turned.x - b * turned.y;
    y[at + sizes.half] = b * turned.x + a * turned.y;
  }
}
`,
};
