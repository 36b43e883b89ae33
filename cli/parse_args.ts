/**
 * `@std/cli/parse-args` with types for the options that this project uses,
 * because its npm build has no declarations. deno.json maps
 * `@std/cli/parse-args` to this file.
 *
 * @module
 */

import * as std from "deno-std/cli/parse_args.js";

/** Names of options by the kind of value they take. */
export interface ParseOptions<
  S extends string,
  B extends string,
  C extends string,
  D extends string,
> {
  /** Options whose value is text; `"_"` keeps positional arguments text. */
  readonly string?: readonly S[];
  /** Options without a value; false if they are not given. */
  readonly boolean?: readonly B[];
  /** Options that may be given several times. */
  readonly collect?: readonly C[];
  /** Letters that stand for options. */
  readonly alias?: Readonly<Record<string, string>>;
  /** Values of options that are not given. */
  readonly default?: Readonly<Record<D, string>>;
  /**
   * Called for each argument that is not one of these options. `key` is the
   * option's name, undefined for a positional argument. Returning false drops
   * the argument.
   */
  readonly unknown?: (argument: string, key?: string) => unknown;
}

/** The values by the options' names, and the positional arguments in `_`. */
export type ParsedArgs<
  S extends string,
  B extends string,
  C extends string,
  D extends string,
> =
  & { readonly [K in Exclude<S, C | D | "_">]?: string }
  & { readonly [K in D]: string }
  & { readonly [K in B]: boolean }
  & { readonly [K in C]: string[] }
  & { readonly _: ("_" extends S ? string : string | number)[] };

/** Parses a command line's arguments. */
export const parseArgs: <
  const S extends string = never,
  const B extends string = never,
  const C extends S = never,
  const D extends S = never,
>(
  args: readonly string[],
  options: ParseOptions<S, B, C, D>,
) => ParsedArgs<S, B, C, D> = std.parseArgs;
