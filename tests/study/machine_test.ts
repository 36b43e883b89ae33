import { assert, assertEquals } from "@std/assert";
import nodeProcess from "node:process";
import { freeMemory } from "../../study/machine.ts";

/** What `freeMemory()` says when the runtime says this. */
function freeWhere(
  told: Readonly<Record<"availableMemory" | "constrainedMemory", number>>,
  rss: number,
): number {
  const { availableMemory, constrainedMemory, memoryUsage } = nodeProcess;
  const say = (value: unknown) => () => value;
  Object.assign(nodeProcess, {
    availableMemory: say(told.availableMemory),
    constrainedMemory: say(told.constrainedMemory),
    memoryUsage: say({ rss }),
  });
  try {
    return freeMemory();
  } finally {
    Object.assign(nodeProcess, {
      availableMemory,
      constrainedMemory,
      memoryUsage,
    });
  }
}

Deno.test("freeMemory() is what the machine has left, and no more than the container", () => {
  const machine = 4e9;
  for (
    const [limit, rss, expected] of [
      [0, 1e8, 4e9],
      [6e8, 1e8, 5e8],
      [6e8, 7e8, 0],
      [8e9, 1e8, 4e9],
      // What version 1 of control groups says where there is no limit.
      [2 ** 63 - 4096, 1e8, 4e9],
    ]
  ) {
    const told = { availableMemory: machine, constrainedMemory: limit };
    assertEquals(freeWhere(told, rss), expected);
  }
});

/** A control group of this process's that may be given a limit; null if none. */
function makeGroup(bytes: number): string | null {
  try {
    const groups = Deno.readTextFileSync("/proc/self/cgroup");
    const first = /^\d+:memory:(.*)$/m.exec(groups);
    const second = /^0::(.*)$/m.exec(groups);
    const [folder, file] = first
      ? [`/sys/fs/cgroup/memory${first[1]}`, "memory.limit_in_bytes"]
      : [`/sys/fs/cgroup${second![1]}`, "memory.max"];
    const group = `${folder}/tokensieve-${crypto.randomUUID()}`;
    Deno.mkdirSync(group);
    try {
      Deno.writeTextFileSync(`${group}/${file}`, String(bytes));
    } catch (error) {
      Deno.removeSync(group);
      throw error;
    }
    return group;
  } catch {
    return null;
  }
}

const LIMIT = 600 * 2 ** 20;

/** Whether this process may make such a group. */
function canMakeGroup(): boolean {
  const group = makeGroup(LIMIT);
  if (group !== null) Deno.removeSync(group);
  return group !== null;
}

Deno.test({
  name: "freeMemory() is below the limit of the control group it runs in",
  ignore: Deno.build.os !== "linux" || !canMakeGroup(),
  async fn() {
    const group = makeGroup(LIMIT)!;
    const module = new URL("../../study/machine.ts", import.meta.url).href;
    const script = `import { freeMemory } from ${JSON.stringify(module)};
      console.log(freeMemory());`;
    try {
      const { stdout } = await new Deno.Command("sh", {
        args: [
          ...["-c", `echo $$ > ${group}/cgroup.procs; exec "$@"`, "sh"],
          ...[Deno.execPath(), "eval", "--no-check", script],
        ],
      }).output();
      const free = Number(new TextDecoder().decode(stdout));
      assert(free > 0 && free < LIMIT, `${free}`);
    } finally {
      await Deno.remove(group);
    }
  },
});
