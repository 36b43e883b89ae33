// A store that several processes share, some of which are killed; files that are
// no stores; and disks that refuse.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createRandom } from "../../core/mod.ts";
import { openStore, StudyBusyError } from "../../store/mod.ts";
import {
  alter,
  evaluationOf,
  filesIn,
  IDENTITY,
  open,
  seeded,
  trialOf,
  withPath,
} from "../_store.ts";
import { runWithKills } from "../_store_kills.ts";

const linux = Deno.build.os === "linux";
const windows = Deno.build.os === "windows";

/** A process with a store: a few lines, after which it does nothing. */
function holder(path: string, seed: number): Deno.ChildProcess {
  const helpers = new URL("../_store.ts", import.meta.url).href;
  const script = `
    import { open, seeded, trialOf } from ${JSON.stringify(helpers)};
    const store = await open(${JSON.stringify(path)});
    const study = await store.study(seeded(${seed}));
    await study.append(trialOf(0));
    console.log("runs");
    setInterval(() => {}, 1000);`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

async function firstOutput(child: Deno.ChildProcess): Promise<void> {
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
}

async function kill(child: Deno.ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await child.output();
}

Deno.test("a study is told to be another process's, and taken over when that is killed", () =>
  withPath(async (path, folder) => {
    const child = holder(path, 1);
    await firstOutput(child);
    const store = await open(path);
    const { holder: found } = await assertRejects(
      () => store.study(seeded(1)),
      StudyBusyError,
      `Cannot run this study of ${path} as process ${child.pid} has run it since 20`,
    );
    assertEquals(found.pid, child.pid);
    assertEquals((await store.list())[0].holder, found);
    // Other studies are not disturbed.
    const other = await store.study(seeded(2));
    await other.append(trialOf(5));
    await other.release();
    const waiting = store.study(seeded(1), {
      onWait: () => child.kill("SIGKILL"),
    });
    const study = await waiting;
    await child.output();
    assertEquals(study.recorded, [trialOf(0)]);
    assertEquals((await store.list())[0].holder?.pid, Deno.pid);
    await store.close();
    assertEquals(filesIn(folder), ["trials.sqlite"]);
  }));

Deno.test("what a killed process left is swept up when the store is opened again", () =>
  withPath(async (path, folder) => {
    const child = holder(path, 1);
    await firstOutput(child);
    await kill(child);
    assertEquals(filesIn(folder).length, 4);
    const store = await open(path);
    assertEquals((await store.list())[0].holder, null);
    await store.close();
    assertEquals(filesIn(folder), ["trials.sqlite"]);
  }));

Deno.test("the lock of a study that is run is not swept up", () =>
  withPath(async (path) => {
    const child = holder(path, 1);
    await firstOutput(child);
    for (let i = 0; i < 2; i++) {
      const store = await open(path);
      await assertRejects(() => store.study(seeded(1)), StudyBusyError);
      await store.close();
    }
    await kill(child);
  }));

for (
  const [what, seeds] of [
    ["one study", [1, 1]],
    ["studies of their own", [1, 2]],
  ] as const
) {
  Deno.test({
    name: `two processes of ${what} lose no trial when they are killed`,
    ignore: windows,
    fn: () =>
      withPath(async (_, folder) => {
        const { kills } = await runWithKills(folder, {
          seeds,
          trials: 200,
          kills: 4,
          fullDisks: linux ? 1 : 0,
          random: createRandom(seeds[1]).uniform,
        });
        assert(kills > 0);
      }),
  });
}

/** Opens a store in a process of its own, with what the shell does first. */
async function openIn(
  path: string,
  shell: string,
  permissions: readonly string[] = ["-A"],
): Promise<string> {
  const module = new URL("../../store/mod.ts", import.meta.url).href;
  const folder = await Deno.makeTempDir();
  const script = `${folder}/open.ts`;
  await Deno.writeTextFile(
    script,
    `import { openStore } from ${JSON.stringify(module)};
     try {
       const store = await openStore(${
      JSON.stringify(path)
    }, { program: "1", timeout: 100 });
       const study = await store.study({ model: "m", questions: "q", search: "s", options: {} });
       await study.append({ text: "x".repeat(1e6) });
       await store.close();
     } catch (error) { console.log(error.message); }`,
  );
  await Deno.chmod(folder, 0o777);
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: [
      ...["-c", `${shell}; exec "$@"`, "sh", Deno.execPath(), "run"],
      ...["--no-check", "--no-lock", ...permissions, script],
    ],
    env: { DENO_DIR: `${folder}/cache` },
  }).output();
  await Deno.remove(folder, { recursive: true });
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test({
  name: "a full disk is named, and what was recorded before stays",
  ignore: !linux,
  fn: () =>
    withPath(async (path, folder) => {
      const store = await open(path);
      const study = await store.study(IDENTITY);
      await study.append(trialOf(0), { evaluation: evaluationOf(9) });
      await store.close();
      const told = await openIn(path, "trap '' XFSZ; ulimit -f 1000");
      assertMatch(told, /^Cannot write .*trials\.sqlite as the disk /);
      const again = await open(path);
      assertEquals(
        (await again.list()).map(({ trials, holder }) => [trials, holder]),
        [[1, null], [0, null]],
      );
      assertEquals((await again.study(IDENTITY)).recorded, [trialOf(0)]);
      await again.close();
      assertEquals(filesIn(folder), ["trials.sqlite"]);
    }),
});

Deno.test("what is no store is refused and left as it is", () =>
  withPath(async (path) => {
    const make = async (sql: string): Promise<void> => {
      await Deno.remove(path).catch(() => {});
      await alter(path, sql);
    };
    const filled = async (sql: string): Promise<void> => {
      await Deno.remove(path).catch(() => {});
      const store = await open(path);
      await (await store.study(IDENTITY)).append(trialOf(0));
      await store.close();
      await alter(path, sql);
    };
    const cases: readonly [() => Promise<void>, string][] = [
      [
        () => Deno.writeTextFile(path, "no database ".repeat(100)),
        `Cannot open ${path} as it is not a database`,
      ],
      [
        () => make("CREATE TABLE t (x)"),
        `Cannot use ${path} as a store as it is another program's database`,
      ],
      [
        () => make("PRAGMA application_id = 7"),
        `Cannot use ${path} as a store as it is another program's database`,
      ],
      [
        () => filled("PRAGMA user_version = 0"),
        `Cannot use ${path} as a store as its schema version must be 1: current value is 0`,
      ],
      [
        () => filled("PRAGMA user_version = 2"),
        `Cannot use ${path} as a store as its schema version must be 1: current value is 2`,
      ],
      [
        () => filled("ALTER TABLE trials ADD COLUMN more TEXT"),
        `Cannot use ${path} as a store as its tables must be those of schema version 1`,
      ],
      [
        () =>
          filled(
            "CREATE TRIGGER t AFTER INSERT ON trials BEGIN UPDATE trials SET record = '{}'; END",
          ),
        `Cannot use ${path} as a store as its tables must be those of schema version 1`,
      ],
    ];
    for (const [prepare, says] of cases) {
      await prepare();
      const before = await Deno.readFile(path);
      const error = await assertRejects(() => open(path), Error);
      assertEquals(error.message, says);
      assertEquals(await Deno.readFile(path), before);
    }
  }));

Deno.test("a damaged store is named, wherever the damage is", () =>
  withPath(async (path) => {
    const store = await open(path);
    const study = await store.study(IDENTITY);
    for (let i = 0; i < 60; i++) await study.append(trialOf(i));
    await store.close();
    const whole = await Deno.readFile(path);
    const random = createRandom(1);
    for (let i = 0; i < 60; i++) {
      const damaged = whole.slice(
        0,
        i % 3 === 0 ? Math.floor(random.uniform() * whole.length) : undefined,
      );
      const at = Math.floor(random.uniform() * damaged.length);
      damaged.fill(Math.floor(random.uniform() * 256), at, at + 1 + 40 * i);
      await Deno.writeFile(path, damaged);
      let read: unknown;
      try {
        const found = await open(path);
        try {
          read = (await found.study(IDENTITY)).recorded;
        } finally {
          await found.close();
        }
      } catch (error) {
        const { message } = error as Error;
        assert(
          message.startsWith("Cannot ") && message.includes(path),
          message,
        );
        continue;
      }
      // Where it is believed, the damage is in what is not read, or all is gone.
      if ((read as unknown[]).length > 0) {
        assertEquals(read, Array.from({ length: 60 }, (_, i) => trialOf(i)));
      } else assertEquals(damaged.length, 0);
    }
  }));

Deno.test("a folder is refused as a store", () =>
  withPath(async (_, folder) => {
    await assertRejects(
      () => open(folder),
      Error,
      `Cannot open ${folder} as it is not a file`,
    );
  }));

Deno.test({
  name: "a pipe and a device are refused as stores, and do not hang",
  ignore: !linux,
  fn: () =>
    withPath(async (path) => {
      await new Deno.Command("mkfifo", { args: [path] }).output();
      for (const file of [path, "/dev/zero"]) {
        await assertRejects(
          () => open(file),
          Error,
          `Cannot open ${file} as it is not a file`,
        );
      }
    }),
});

Deno.test("a store that another program keeps locked is named", () =>
  withPath(async (path) => {
    await (await open(path)).close();
    const { DatabaseSync } = await import("node:sqlite");
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await assertRejects(
      () => open(path, 50),
      Error,
      `Cannot open ${path} as another program keeps it locked`,
    );
    other.close();
    await (await open(path)).close();
  }));

Deno.test({
  name: "a store that may not be written is named, by the system or by Deno",
  ignore: !linux,
  fn: () =>
    withPath(async (path, folder) => {
      await (await open(path)).close();
      const told = await openIn(path, ":", [`--allow-read=${folder}`]);
      assertMatch(told, /^Cannot open .* as Requires write access to /);
    }),
});

const AS_NOBODY = ["setpriv", "--reuid=65534", "--clear-groups", "--"];

/** Whether this process may run Deno as another user, who can read it. */
function canBecomeNobody(): boolean {
  if (!linux || Deno.uid() !== 0) return false;
  const [command, ...args] = [...AS_NOBODY, Deno.execPath(), "--version"];
  try {
    return new Deno.Command(command, { args }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "a store that the system protects is named",
  // Root may write to all files, so the test becomes somebody else.
  ignore: !canBecomeNobody(),
  fn: () =>
    withPath(async (path, folder) => {
      await (await open(path)).close();
      await Deno.chmod(folder, 0o755);
      await Deno.chmod(path, 0o444);
      const nobody = 'exec setpriv --reuid=65534 --clear-groups -- "$@"';
      assertEquals(
        await openIn(path, nobody),
        `Cannot open ${path} as the system denies writing\n`,
      );
    }),
});

Deno.test("openStore() says what it needs where there is no SQLite", async () => {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): unknown };
  };
  const original = process.getBuiltinModule;
  try {
    process.getBuiltinModule = (name) =>
      name === "node:sqlite" ? undefined : original(name);
    await assertRejects(
      () => openStore(":memory:", { program: "1" }),
      Error,
      "Cannot open :memory: as this runtime has no node:sqlite: a store needs Deno, or Node 22.13",
    );
  } finally {
    process.getBuiltinModule = original;
  }
});
