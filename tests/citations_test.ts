// What comments and documents cite is there: sections by heading, files by link.

import { assert, assertEquals } from "@std/assert";
import { readPage } from "./_docs.ts";

const ROOT = new URL("../", import.meta.url);

/** Folders that hold nothing of ours to read, wherever they are. */
const LEFT_OUT = /^(out|data|node_modules|fixtures|\..*)$/;

/** All files of some kinds, as paths from the root. */
function filesOf(kinds: RegExp, folder = ""): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].flatMap(
    ({ name, isDirectory }) => {
      const path = folder + name;
      if (!isDirectory) return kinds.test(name) ? [path] : [];
      return LEFT_OUT.test(name) ? [] : filesOf(kinds, `${path}/`);
    },
  ).sort();
}

/** A file on one line, without the marks of comments, so that nothing is broken. */
async function plainText(file: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(file, ROOT));
  return text.replaceAll(/\n\s*(\*|\/\/|#) ?/g, " ").replaceAll(/\s+/g, " ");
}

/** Sections of other people's works, whose author or title stands in front. */
const NAMED_WORK = /(?:[A-Z]\w+|[A-Z]&[A-Z]"|\d{4}|edition),? sections? \d/;

/** Sections that are cited by number without the work that has them. */
function namelessSections(text: string): string[] {
  return [...text.matchAll(/.{0,30}\bsections? \d[\d.]*/g)]
    .map(([cited]) => cited)
    .filter((cited) => !NAMED_WORK.test(cited));
}

Deno.test("namelessSections() tells whose section it is", () => {
  assertEquals(
    namelessSections('(Yeo and Johnson, section 3) "R&W", section 5.1'),
    [],
  );
  assertEquals(namelessSections("Rasmussen & Williams 2006, section 3.4"), []);
  for (
    const text of ["(paper section 3)", "the paper, section 1", "(section 5)"]
  ) {
    assertEquals(namelessSections(text), [text.replace(")", "")]);
  }
});

Deno.test("no comment or document cites a section that is not there", async () => {
  const self = "tests/citations_test.ts";
  const cited = new Map<string, number>();
  for (const file of filesOf(/\.(ts|md|py|js)$/)) {
    if (file === self) continue;
    const text = await plainText(file);
    assertEquals(namelessSections(text), [], file);
    for (
      const [, name, section] of text.matchAll(/docs\/([\w-]+\.md), "([^"]+)"/g)
    ) {
      const { headings } = await readPage(name);
      assert(
        headings().includes(section),
        `${file} cites ${name}, "${section}"`,
      );
      cited.set(name, (cited.get(name) ?? 0) + 1);
    }
  }
  // Were the pattern wrong, there would be nothing to find fault with.
  assert(cited.get("method.md")! > 20);
});

/** The anchor that a heading has. */
const anchorOf = (heading: string): string =>
  heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(
    " ",
    "-",
  );

Deno.test("every link of a document leads to a file, and to a heading of it", async () => {
  for (const file of filesOf(/\.md$/)) {
    const text = await Deno.readTextFile(new URL(file, ROOT));
    const links = text.replaceAll(/^```[^]*?^```$/gm, "")
      .matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g);
    for (const [link, path, anchor] of links) {
      const target = path === ""
        ? new URL(file, ROOT)
        : new URL(path, new URL(file, ROOT));
      assert(await exists(target), `${file}: ${link}`);
      if (anchor === undefined) continue;
      const headings = (await Deno.readTextFile(target)).matchAll(
        /^#+ (.*)$/gm,
      );
      const anchors = [...headings].map(([, heading]) => anchorOf(heading));
      assert(anchors.includes(anchor), `${file}: ${link}`);
    }
  }
});

async function exists(path: URL): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
