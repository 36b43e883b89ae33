// The shape of the house: who may import whom, and what the library never does.
// Imports are read by Deno itself (`deno info`), not by a pattern.

import { assert, assertEquals } from "@std/assert";

/**
 * What each folder of the library may import besides itself: folders, or single
 * files of them. Folders that are not here (tests, bench, train) and the programs
 * at the root may import everything, and nothing of the library imports them.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  optim: [],
  cpu: ["core/"],
  gpu: ["core/"],
  // ranking.ts for the names of the rules, which tell baselines apart.
  search: ["core/schedule.ts", "core/ranking.ts", "optim/"],
  eval: ["core/", "cpu/mod.ts", "search/evaluate.ts"],
  io: ["core/"],
  report: ["search/"],
  store: ["search/evaluate.ts", "io/builtin.ts", "io/files.ts"],
  study: [
    ...["core/", "cpu/", "gpu/", "search/", "eval/", "io/", "report/"],
    "store/",
  ],
};

/** Folders that may use packages of other people. */
const MAY_USE_PACKAGES: readonly string[] = ["io", "report"];

/** A file is one subject; longer ones hold two. */
const MAX_LINES = 600;

const ROOT = new URL("../", import.meta.url);

/** Whether a file of the library may import a file or package. */
function mayImport(from: string, to: string): boolean {
  const [folder] = from.split("/");
  const isPackage = /^[a-z]+:/.test(to);
  if (isPackage) {
    return MAY_USE_PACKAGES.includes(folder) && to.startsWith("npm:");
  }
  return [`${folder}/`, ...MAY_IMPORT[folder]].some((allowed) =>
    allowed.endsWith("/") ? to.startsWith(allowed) : to === allowed
  );
}

/** All TypeScript files of folders, as paths from the root. */
function filesOf(folders: readonly string[]): string[] {
  const filesIn = (folder: string): string[] => {
    const entries = [...Deno.readDirSync(new URL(folder, ROOT))];
    return entries.flatMap(({ name, isDirectory }) =>
      isDirectory
        ? filesIn(`${folder}${name}/`)
        : name.endsWith(".ts")
        ? [folder + name]
        : []
    );
  };
  return folders.flatMap((folder) => filesIn(`${folder}/`)).sort();
}

/** All TypeScript files of the library's folders. */
function libraryFiles(): string[] {
  return filesOf(Object.keys(MAY_IMPORT));
}

/** The programs, and what nobody but them imports. */
function programFiles(): string[] {
  const atRoot = [...Deno.readDirSync(ROOT)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ts"));
  return [...atRoot, ...filesOf(["cli", "bench", "train"])]
    // Benchmarks of other libraries have packages of their own.
    .filter((file) => !file.startsWith("bench/peers/"));
}

/** A circle of imports, each file followed by one that it imports; else null. */
function circleIn(
  imports: readonly { readonly from: string; readonly to: string }[],
): string[] | null {
  const importsBy = new Map<string, string[]>();
  for (const { from, to } of imports) {
    importsBy.set(from, [...importsBy.get(from) ?? [], to]);
  }
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    path.push(file);
    for (const next of importsBy.get(file) ?? []) {
      const circle = visit(next);
      if (circle) return circle;
    }
    path.pop();
    done.add(file);
    return null;
  };
  for (const file of importsBy.keys()) {
    const circle = visit(file);
    if (circle) return circle;
  }
  return null;
}

/** Every import of the given files: static, dynamic, of types, and re-exports. */
async function importsOf(
  files: readonly string[],
): Promise<{ from: string; to: string }[]> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      entry,
      files.map((file) => `import "${new URL(file, ROOT)}";\n`).join(""),
    );
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", entry],
      cwd: ROOT,
    }).output();
    assert(success);
    const graph: ModuleGraph = JSON.parse(new TextDecoder().decode(stdout));
    return graph.modules.flatMap(({ specifier, dependencies = [] }) => {
      const from = pathFromRoot(specifier);
      if (!files.includes(from)) return [];
      return dependencies.map(({ specifier, code, type }) => ({
        from,
        to: pathFromRoot(code?.specifier ?? type?.specifier ?? specifier),
      }));
    });
  } finally {
    await Deno.remove(entry);
  }
}

/** What this test reads of the answer of `deno info --json`. */
interface ModuleGraph {
  modules: {
    specifier: string;
    dependencies?: {
      specifier: string;
      code?: { specifier?: string };
      type?: { specifier?: string };
    }[];
  }[];
}

function pathFromRoot(url: string): string {
  return url.startsWith(ROOT.href) ? url.slice(ROOT.href.length) : url;
}

/** A file's code without its comments (and without the rest of a line after //). */
async function codeOf(file: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(file, ROOT));
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/\/\/.*/g, "");
}

/** The files whose code has the pattern. */
async function filesWith(
  pattern: RegExp,
  files: readonly string[],
): Promise<string[]> {
  const codes = await Promise.all(files.map(codeOf));
  return files.filter((_, i) => pattern.test(codes[i]));
}

Deno.test("mayImport() knows the house rules", () => {
  assert(mayImport("core/model.ts", "core/decoder.ts"));
  assert(mayImport("gpu/kernels/linear.ts", "gpu/device.ts"));
  assert(mayImport("search/gsearch.ts", "core/schedule.ts"));
  assert(mayImport("io/images.ts", "npm:sharp@1.0.0"));
  assert(!mayImport("core/model.ts", "search/evaluate.ts"));
  assert(!mayImport("search/gsearch.ts", "core/model.ts"));
  assert(!mayImport("eval/evaluator.ts", "search/gsearch.ts"));
  assert(!mayImport("eval/evaluator.ts", "npm:sharp@1.0.0"));
  assert(!mayImport("io/files.ts", "node:fs"));
  assert(!mayImport("io/files.ts", "tests/_compare.ts"));
});

Deno.test("the library's folders import only what they may", async () => {
  const files = libraryFiles();
  const imports = await importsOf(files);
  // Were the graph not read, there would be nothing to find fault with.
  assert(
    imports.some(({ from, to }) =>
      from === "io/files.ts" && to === "core/checkpoints/bytes.ts"
    ),
  );
  assert(
    imports.some(({ from, to }) =>
      from === "io/images.ts" && to.startsWith("npm:sharp@")
    ),
  );
  assertEquals(imports.filter(({ from, to }) => !mayImport(from, to)), []);
});

Deno.test("circleIn() finds a circle of any length", () => {
  const chain = [{ from: "a", to: "b" }, { from: "b", to: "c" }];
  assertEquals(circleIn([...chain, { from: "a", to: "c" }]), null);
  assertEquals(circleIn([...chain, { from: "c", to: "b" }]), ["b", "c", "b"]);
  assertEquals(circleIn([{ from: "a", to: "a" }]), ["a", "a"]);
});

Deno.test("no files import each other in a circle", async () => {
  const imports = await importsOf([...libraryFiles(), ...programFiles()]);
  assert(imports.some(({ from }) => from === "search.ts"));
  assertEquals(circleIn(imports), null);
});

Deno.test("benchmarks import the library, and nothing of the command line", async () => {
  const imports = await importsOf(programFiles());
  assert(imports.some(({ from }) => from.startsWith("bench/")));
  assertEquals(
    imports.filter(({ from, to }) =>
      from.startsWith("bench/") && to.startsWith("cli/") &&
      // What @std/cli stands for.
      to !== "cli/parse_args.ts"
    ),
    [],
  );
});

Deno.test("the library's folders do not know that they run in Deno", async () => {
  assertEquals(await filesWith(/\bDeno\s*[.\[]/, libraryFiles()), []);
});

Deno.test("the library's folders write nothing to the console", async () => {
  assertEquals(await filesWith(/\bconsole\b/, libraryFiles()), []);
});

Deno.test("comments begin with their subject", async () => {
  const begun = /^\s*(\*|\/\/|\/\*\*) ?(Of|Those that|What|So many) /m;
  const files = [...libraryFiles(), ...programFiles()];
  const texts = await Promise.all(
    files.map((file) => Deno.readTextFile(new URL(file, ROOT))),
  );
  assertEquals(files.filter((_, i) => begun.test(texts[i])), []);
});

Deno.test(`no file of the library has more than ${MAX_LINES} lines`, async () => {
  const lengths = await Promise.all(
    libraryFiles().map(async (file) => {
      const text = await Deno.readTextFile(new URL(file, ROOT));
      return { file, lines: text.split("\n").length - 1 };
    }),
  );
  assert(lengths.length > 0);
  assertEquals(lengths.filter(({ lines }) => lines > MAX_LINES), []);
});
