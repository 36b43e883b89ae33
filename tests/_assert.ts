/**
 * The part of `@std/assert` that this project uses, with types. The npm build of
 * these functions has no declarations: without this file a comparison of a
 * number with a string would pass the type check. deno.json maps `@std/assert`
 * to it.
 */

import * as std from "deno-std/assert/mod.js";

/** The constructor of an error. */
// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = new (...args: any[]) => E;

/** What a failed assertion throws. */
export const AssertionError: ErrorClass<Error> = std.AssertionError;

/** Fails unless the condition holds. */
export const assert: (
  condition: unknown,
  message?: string,
) => asserts condition = std.assert;

/** Fails unless two values are equal in depth. */
export const assertEquals: <T>(
  actual: T,
  expected: T,
  message?: string,
) => void = std.assertEquals;

/** Fails if two values are equal in depth. */
export const assertNotEquals: <T>(
  actual: T,
  expected: T,
  message?: string,
) => void = std.assertNotEquals;

/** Fails unless both are the same by `Object.is`. */
export const assertStrictEquals: <T>(
  actual: unknown,
  expected: T,
  message?: string,
) => asserts actual is T = std.assertStrictEquals;

/** Fails unless the value is of the class. */
export const assertInstanceOf: <
  // deno-lint-ignore no-explicit-any
  C extends abstract new (...args: any[]) => unknown,
>(
  actual: unknown,
  expectedClass: C,
  message?: string,
) => asserts actual is InstanceType<C> = std.assertInstanceOf;

/** Fails unless two numbers are at most `tolerance` apart. */
export const assertAlmostEquals: (
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
) => void = std.assertAlmostEquals;

/** Fails unless the text matches. */
export const assertMatch: (
  actual: string,
  expected: RegExp,
  message?: string,
) => void = std.assertMatch;

/** Fails unless the text contains the other. */
export const assertStringIncludes: (
  actual: string,
  expected: string,
  message?: string,
) => void = std.assertStringIncludes;

/** Fails unless the call throws; returns what it throws. */
export const assertThrows: <E extends Error = Error>(
  call: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
) => E = std.assertThrows;

/** Fails unless the call returns a promise that is rejected; resolves to why. */
export const assertRejects: <E extends Error = Error>(
  call: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
  message?: string,
) => Promise<E> = std.assertRejects;
