import { assertEquals, assertRejects } from "@std/assert";
import {
  appendJsonLine,
  directoryOf,
  isFile,
  openFile,
  openFileIfAny,
  readJson,
  readText,
  writeAtomically,
} from "../../io/files.ts";

/** Runs a test in a folder of its own. */
async function inDirectory(test: (directory: string) => Promise<void>) {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("openFile() reads ranges, also several at a time", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a.bin`;
    await Deno.writeFile(path, Uint8Array.of(0, 1, 2, 3, 4, 5));
    const source = await openFile(path);
    assertEquals(source.length, 6);
    assertEquals(
      await Promise.all([
        source.read(4, 2),
        source.read(0, 1),
        source.read(1, 4),
      ]),
      [Uint8Array.of(4, 5), Uint8Array.of(0), Uint8Array.of(1, 2, 3, 4)],
    );
  });
});

Deno.test("openFile() rejects a range beyond the end of a file", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a.bin`;
    await Deno.writeFile(path, Uint8Array.of(0, 1, 2));
    const source = await openFile(path);
    await assertRejects(
      () => source.read(1, 4),
      Error,
      `Cannot read ${path} as it ends at byte 3: bytes up to 5 were expected`,
    );
  });
});

Deno.test("openFile() names a file that is missing, or a folder", async () => {
  await inDirectory(async (directory) => {
    await assertRejects(
      () => openFile(`${directory}/none`),
      Error,
      `Cannot read ${directory}/none as there is no such file`,
    );
    await assertRejects(
      () => openFile(directory),
      Error,
      `Cannot read ${directory} as it is not a file`,
    );
  });
});

Deno.test("readJson() names the file that is not JSON", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/config.json`;
    await Deno.writeTextFile(path, '{"a": [1]}');
    assertEquals(await readJson(path), { a: [1] });
    await Deno.writeTextFile(path, '{"a": [1}');
    await assertRejects(
      () => readJson(path),
      SyntaxError,
      `Cannot read ${path} as it is not JSON: `,
    );
  });
});

Deno.test("readText() takes a byte order mark off, and nothing but UTF-8", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, '\ufeff{"a": "é"}');
    assertEquals(await readJson(path), { a: "é" });
    await Deno.writeFile(path, Uint8Array.of(0x72, 0xe9, 0x64));
    await assertRejects(
      () => readText(path),
      SyntaxError,
      `Cannot read ${path} as it is not UTF-8 text`,
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("writeAtomically() replaces a file and leaves nothing beside it", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/new/out.json`;
    await writeAtomically(path, "one");
    await writeAtomically(path, "two");
    assertEquals(await Deno.readTextFile(path), "two");
    assertEquals(
      Array.from(Deno.readDirSync(`${directory}/new`), ({ name }) => name),
      ["out.json"],
    );
  });
});

Deno.test("writeAtomically() leaves nothing behind when it fails", async () => {
  await inDirectory(async (directory) => {
    // A folder cannot be replaced by a file.
    const path = `${directory}/taken`;
    await Deno.mkdir(path);
    await assertRejects(
      () => writeAtomically(path, "one"),
      Error,
      `Cannot write ${path} as `,
    );
    assertEquals(
      Array.from(Deno.readDirSync(directory), ({ name }) => name),
      ["taken"],
    );
  });
});

Deno.test("appendJsonLine() adds whole lines", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/log/trials.jsonl`;
    await appendJsonLine(path, { trial: 1, note: "two\nlines" });
    await appendJsonLine(path, { trial: 2 });
    assertEquals(
      await Deno.readTextFile(path),
      '{"trial":1,"note":"two\\nlines"}\n{"trial":2}\n',
    );
  });
});

Deno.test("isFile() tells files from folders and from nothing", async () => {
  await inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/a`, "");
    assertEquals(await isFile(`${directory}/a`), true);
    assertEquals(await isFile(directory), false);
    assertEquals(await isFile(`${directory}/b`), false);
  });
});

Deno.test("directoryOf() gives a folder for every path", () => {
  assertEquals(
    ["a/b/c.json", "c.json", "/c.json", "a/"].map(directoryOf),
    ["a/b", ".", "/", "a"],
  );
});

Deno.test("openFileIfAny() tells nothing from what is no file", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/a`, "abc");
    await Deno.symlink(`${directory}/a`, `${directory}/link`);
    await Deno.symlink(`${directory}/gone`, `${directory}/dangling`);
    await Deno.mkdir(`${directory}/folder`);
    assertEquals((await openFileIfAny(`${directory}/a`))?.length, 3);
    assertEquals((await openFileIfAny(`${directory}/link`))?.length, 3);
    assertEquals(await openFileIfAny(`${directory}/none`), null);
    await assertRejects(
      () => openFileIfAny(`${directory}/dangling`),
      Error,
      `Cannot read ${directory}/dangling as there is no such file`,
    );
    await assertRejects(
      () => openFileIfAny(`${directory}/folder`),
      Error,
      `Cannot read ${directory}/folder as it is not a file`,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
