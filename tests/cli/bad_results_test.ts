// Results that cannot be written, or are left half written. What else is
// refused, and where: io/bad_input_test.ts.

import { assert, assertEquals } from "@std/assert";
import { prepareDirectory } from "../../cli/results.ts";
import { writeAtomically } from "../../io/mod.ts";
import { testBadInputs } from "../_bad_input.ts";

const linux = Deno.build.os === "linux";

testBadInputs("prepareDirectory()", [
  {
    given: "a device as a folder, though it takes files' names",
    to: () => prepareDirectory("/dev/full/out"),
    error: Error,
    says:
      "Cannot write to /dev/full/out as Not a directory (os error 20): mkdir '/dev/full/out'",
    ignore: !linux,
  },
  {
    given: "a file system that takes no files",
    to: () => prepareDirectory("/proc/out"),
    error: Error,
    says:
      "Cannot write to /proc/out as No such file or directory (os error 2): mkdir '/proc/out'",
    ignore: !linux,
  },
]);

/**
 * Writes 8 MB over an older result in a process whose files may have 1 MB. The
 * system then ends it in mid-write; or, where it does not hear of that, its
 * writes fail as on a full disk.
 */
async function overwriteWithLimit(
  path: string,
  { hears }: { readonly hears: boolean },
): Promise<Deno.CommandOutput> {
  const files = new URL("../../io/files.ts", import.meta.url).href;
  const script = `import { writeAtomically } from ${JSON.stringify(files)};
    await writeAtomically(${JSON.stringify(path)}, "x".repeat(8e6))
      .catch((error) => { console.log(error.message); Deno.exit(1); });`;
  const shell = `${
    hears ? "" : "trap '' XFSZ; "
  }ulimit -c 0; ulimit -f 2048; exec "$@"`;
  const command = [Deno.execPath(), "eval", "--no-config", script];
  return await new Deno.Command("sh", {
    args: ["-c", shell, "sh", ...command],
    env: { DENO_DIR: `${path}.cache` },
  }).output();
}

for (const hears of [true, false]) {
  const how = hears ? "is killed in mid-write" : "meets a full disk";
  Deno.test({
    name: `writeAtomically() leaves the older result when it ${how}`,
    ignore: !linux,
    async fn() {
      const directory = await Deno.makeTempDir();
      const path = `${directory}/schedule.json`;
      try {
        await writeAtomically(path, "older\n");
        const { success, signal, stdout } = await overwriteWithLimit(path, {
          hears,
        });
        assertEquals(success, false);
        assertEquals(signal, hears ? "SIGXFSZ" : null);
        assertEquals(
          new TextDecoder().decode(stdout),
          hears ? "" : `Cannot write ${path} as file too large\n`,
        );
        assertEquals(await Deno.readTextFile(path), "older\n");
        const left = [...Deno.readDirSync(directory)]
          .filter(({ isFile }) => isFile).map(({ name }) => name);
        const halves = left.filter((name) => name !== "schedule.json");
        assertEquals(halves.length, hears ? 1 : 0);
        assert(halves.every((name) => name.endsWith(".tmp")));
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}
