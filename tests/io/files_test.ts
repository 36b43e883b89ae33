import { assertEquals, assertRejects } from "@std/assert";
import {
  directoryOf,
  isFile,
  openFile,
  openFileIfAny,
  readJson,
  readText,
  sweepTemporaries,
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

Deno.test("writeAtomically() syncs the file before it takes the other's place, and then the folder", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a.json`;
    const promises = await import("node:fs/promises");
    const done: string[] = [];
    const { rename, open } = promises.default;
    promises.default.rename = async (from, to) => {
      done.push("rename");
      await rename(from, to);
    };
    promises.default.open = async (file, ...rest) => {
      const handle = await open(file, ...rest);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => {
        done.push(file === directory ? "sync folder" : "sync file");
        await sync();
      };
      return handle;
    };
    try {
      await writeAtomically(path, "one");
    } finally {
      Object.assign(promises.default, { rename, open });
    }
    assertEquals(done, ["sync file", "rename", "sync folder"]);
    assertEquals(await Deno.readTextFile(path), "one");
  });
});

Deno.test("sweepTemporaries() removes what a killed process left, and nothing else", async () => {
  await inDirectory(async (directory) => {
    const id = "0c5e2a1e-54a8-4c6f-9a54-0d3dbd2a7b1c";
    const kept = [
      ...["a.json", "a.tmp", `${id}`, `a.json.${id}.tmp.json`],
      `a.json.${id.slice(1)}.tmp`,
    ];
    for (const name of [...kept, `a.json.${id}.tmp`, `b.${id}.tmp`]) {
      await Deno.writeTextFile(`${directory}/${name}`, "");
    }
    await sweepTemporaries(directory);
    const left = Array.from(Deno.readDirSync(directory), ({ name }) => name);
    assertEquals(left.sort(), kept.sort());
  });
});

Deno.test("writeAtomically() begins again when its temporary file is swept up", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a.json`;
    const promises = await import("node:fs/promises");
    const { rename } = promises.default;
    let sweeps = 0;
    promises.default.rename = async (from, to) => {
      if (sweeps++ < 2) await sweepTemporaries(directory);
      await rename(from, to);
    };
    try {
      await writeAtomically(path, "one");
    } finally {
      promises.default.rename = rename;
    }
    assertEquals(sweeps, 3);
    assertEquals(await Deno.readTextFile(path), "one");
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
