// Built-in modules of Node, which Deno and Bun have too. They are looked up at
// run time: an import of `node:fs` would end a browser's bundle.

/** The fields of `process` that are used. */
interface Process {
  readonly platform: string;
  readonly pid: number;
  readonly env: Record<string, string | undefined>;
  getBuiltinModule?(name: string): unknown;
  availableMemory?(): number;
  constrainedMemory?(): number;
  memoryUsage(): { readonly rss: number };
}

/** The process; undefined in browsers. */
export const process: Process | undefined =
  (globalThis as { process?: Process }).process;

/**
 * A built-in module of Node.
 *
 * @param name Such as "node:fs/promises".
 * @returns The module.
 * @throws {Error} If the runtime lacks it, as browsers do.
 */
export function builtin<T>(name: string): T {
  const found = process?.getBuiltinModule?.(name);
  if (found === undefined) {
    throw new Error(
      `Cannot use ${name} as this runtime lacks it: files need Deno, Bun, or Node 20.16`,
    );
  }
  return found as T;
}
