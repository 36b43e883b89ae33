/**
 * The packages of the peers. They are imported by a name that is no literal, so
 * that checks of the library do not look for them.
 */

import config from "./deno.json" with { type: "json" };

/** A package that deno.json names. */
export type Package = keyof typeof config.imports;

/** Imports a package. */
// deno-lint-ignore no-explicit-any
export function importPackage(name: Package): Promise<any> {
  return import(name);
}

/** Its version. */
export function versionOf(name: Package): string {
  return config.imports[name].split("@").at(-1)!;
}

/** Where its files are, for those that fetch some. */
export function folderOf(name: Package): string {
  return new URL("./", import.meta.resolve(name)).href;
}
