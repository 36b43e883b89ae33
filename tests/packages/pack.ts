/**
 * Packs the repository as JSR does, so that what users get can be tried before
 * it is published: the sources as `deno publish` uploads them, and the package
 * that JSR makes of them for npm.
 *
 * One thing is left out: JSR writes declarations into the package for npm.
 */

import { stripTypeScriptTypes } from "node:module";
import { dirname, posix } from "node:path";
import config from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

/** A file to be published: its path from the root, and what it holds. */
export type PackedFiles = ReadonlyMap<string, Uint8Array>;

/** An import, in a module of Deno's graph. */
interface Dependency {
  readonly specifier: string;
  readonly code?: Target;
  readonly type?: Target;
}

/** Where an import leads. */
interface Target {
  readonly specifier?: string;
}

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly Dependency[];
}

/** The sources, with imports of packages by their full names. */
export async function packSources(): Promise<PackedFiles> {
  const paths = await publishedPaths();
  const code = paths.filter((path) => path.endsWith(".ts"));
  const imports = await importsOf(code);
  const files = new Map<string, Uint8Array>();
  for (const path of paths) {
    const bytes = await Deno.readFile(new URL(path, ROOT));
    const found = imports.get(path);
    if (found === undefined) files.set(path, bytes);
    else {
      const text = rewrite(decode(bytes), found, (target) => {
        const npm = parseNpm(target);
        return npm
          ? `npm:${npm.name}@${npm.version}${npm.path}`
          : relative(path, target);
      });
      files.set(path, encode(text));
    }
  }
  return files;
}

/**
 * The package for npm: beside the sources the JavaScript of each module that an
 * entry point reaches, and a package.json.
 */
export async function packForNpm(): Promise<PackedFiles> {
  const files = new Map(await packSources());
  const imports = await importsOf(Object.values(config.exports));
  const dependencies: Record<string, string> = {};
  for (const [path, found] of imports) {
    if (!path.endsWith(".ts")) continue; // JSON stays as it is
    const text = await Deno.readTextFile(new URL(path, ROOT));
    const code = rewrite(stripTypeScriptTypes(text), found, (target) => {
      const npm = parseNpm(target);
      return npm ? npm.name + npm.path : javaScriptPath(relative(path, target));
    });
    files.set(javaScriptPath(path), encode(code));
    for (const { code, type } of found) {
      const npm = parseNpm((code ?? type)?.specifier);
      if (npm) dependencies[npm.name] = npm.version;
    }
  }
  const { version } = config;
  const exports = Object.entries(config.exports)
    .map(([name, path]) => [name, { default: javaScriptPath(path) }]);
  const manifest = {
    name: "@jsr/tokensieve__tokensieve",
    version,
    type: "module",
    dependencies,
    exports: Object.fromEntries(exports),
  };
  files.set("package.json", encode(JSON.stringify(manifest, null, 2)));
  return files;
}

/** Writes files below a folder. */
export async function writeFiles(
  folder: string,
  files: PackedFiles,
): Promise<void> {
  for (const [path, bytes] of files) {
    const file = `${folder}/${path}`;
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeFile(file, bytes);
  }
}

/** The files that `deno publish` would upload, as paths from the root. */
async function publishedPaths(): Promise<string[]> {
  const { stderr } = await deno(
    "publish",
    "--dry-run",
    "--allow-dirty",
    "--no-check",
  );
  return [...stderr.matchAll(/^ +(file:.*) \([\d.]+\w+\)$/gm)]
    .map(([, url]) => pathFromRoot(url));
}

/** The imports of each of our modules that the given ones reach. */
async function importsOf(
  paths: readonly string[],
): Promise<Map<string, readonly Dependency[]>> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(
    entry,
    paths.map((path) => `import "${new URL(path, ROOT)}";\n`).join(""),
  );
  const { stdout } = await deno("info", "--json", entry);
  await Deno.remove(entry);
  const { modules }: { modules: Module[] } = JSON.parse(stdout);
  const ours = modules.filter(({ specifier }) =>
    specifier.startsWith(ROOT.href)
  );
  return new Map(
    ours.map(({ specifier, dependencies = [] }) => [
      pathFromRoot(specifier),
      dependencies,
    ]),
  );
}

/** Replaces specifiers in imports and exports, but not in comments. */
function rewrite(
  text: string,
  imports: readonly Dependency[],
  replace: (target: string) => string,
): string {
  // Deno tells the place of the first import of a module only.
  const targets = new Map(
    imports.map(({ specifier, code, type }) => [
      specifier,
      (code ?? type)?.specifier,
    ]),
  );
  return text.replaceAll(
    /^(?! *(?:\*|\/\/))(.*\b(?:from|import)\b[\s(]*)"([^"]+)"/gm,
    (found, before, specifier) => {
      const target = targets.get(specifier);
      return target === undefined ? found : `${before}"${replace(target)}"`;
    },
  );
}

/** A module of ours as another one names it. */
function relative(from: string, target: string): string {
  const path = posix.relative(posix.dirname(from), pathFromRoot(target));
  return path.startsWith(".") ? path : `./${path}`;
}

function javaScriptPath(path: string): string {
  return path.replace(/\.ts$/, ".js");
}

/** The parts of `npm:[/]NAME@VERSION[/PATH]`; null for another specifier. */
function parseNpm(
  specifier: string | undefined,
): { name: string; version: string; path: string } | null {
  const found = /^npm:\/?(@?[^@]+)@([^/]+)(.*)$/.exec(specifier ?? "");
  if (found === null) return null;
  const [, name, version, path] = found;
  return { name, version, path };
}

function pathFromRoot(url: string): string {
  return url.slice(ROOT.href.length);
}

async function deno(
  ...args: string[]
): Promise<{ stdout: string; stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const said = { stdout: decode(stdout), stderr: decode(stderr) };
  if (!success) throw new Error(`Cannot pack: ${said.stderr}`);
  return said;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
