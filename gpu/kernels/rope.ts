/**
 * Rotary position embedding.
 *
 * Position ids may be any integers, and the host does not know them. An angle
 * may be in the millions, where the sine of a GPU has no correct digit. So the
 * kernel reduces the angle to a fraction of a turn in integers, which is exact.
 * Let G be frequency / 2π in units of 2⁻⁶⁴ turns: the fraction is position · G
 * modulo 2⁶⁴. The kernel subtracts the nearest multiple of a quarter turn. The
 * rest is at most an eighth of a turn, where Taylor series give sine and cosine
 * with an error of 3e-8.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./wgsl.ts";

/**
 * (a, b) → (a cos − b sin, b cos + a sin) for the elements e and e + E/2 of
 * each head, with the angle position · frequencies[e]. A thread computes
 * element e of all heads of a row. `width` is H·E, and `half` is E/2.
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

// a · b in 64 bits. x is the lower word.
fn product(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffff) * (b & 0xffff);
  let middle = (a >> 16) * (b & 0xffff) + (low >> 16);
  let other = (a & 0xffff) * (b >> 16) + (middle & 0xffff);
  let high = (a >> 16) * (b >> 16) + (middle >> 16) + (other >> 16);
  return vec2u(a * b, high);
}

// |frequency| / 2π in units of 2⁻⁶⁴ turns, modulo 1 turn.
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
