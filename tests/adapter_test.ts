// Which GPU tests run on which adapter, and what a run of tests says at its end.

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type AdapterInfo,
  checkRequired,
  closingLine,
  whyLeftOut,
} from "./_adapter.ts";
import { decoded, type Finished } from "./_cli.ts";

/** An adapter of a name and of sizes of subgroups. */
function adapter(
  description: string,
  [subgroupMinSize, subgroupMaxSize]: readonly [number, number],
): AdapterInfo {
  return {
    vendor: "",
    architecture: "",
    device: "",
    description,
    isFallbackAdapter: false,
    subgroupMinSize,
    subgroupMaxSize,
  };
}

/** Adapters, and why GPU tests are left out on them. */
const DECISIONS: readonly (readonly [
  what: string,
  info: AdapterInfo | null,
  leftOut: string | null,
])[] = [
  ["no adapter", null, "WebGPU finds no adapter"],
  ...["llvmpipe (LLVM 15.0.6, 256 bits)", "llvmpipe (LLVM 19.1.7, 512 bits)"]
    .map((name) =>
      [
        `${name} on OpenGL`,
        adapter(name, [4, 128]),
        `${name} on OpenGL takes tens of seconds to compile a pipeline`,
      ] as const
    ),
  // As many lanes as 32 bits go into a vector.
  ["lavapipe", adapter("llvmpipe (LLVM 15.0.6, 256 bits)", [8, 8]), null],
  ["lavapipe, 128 bits", adapter("llvmpipe (LLVM 15, 128 bits)", [4, 4]), null],
  [
    "lavapipe, 512 bits",
    adapter("llvmpipe (LLVM 19, 512 bits)", [16, 16]),
    null,
  ],
  ["SwiftShader", adapter("SwiftShader Device (Subzero)", [4, 128]), null],
  ["a GPU on OpenGL", adapter("Mesa Intel(R) UHD Graphics", [4, 128]), null],
  ["Vulkan", adapter("NVIDIA H200", [32, 32]), null],
  ["Metal", adapter("Apple M4", [4, 64]), null],
  ["Direct3D", adapter("AMD Radeon RX 7900 XTX", [32, 64]), null],
  ["WARP", adapter("Microsoft Basic Render Driver", [4, 128]), null],
];

for (const [what, info, leftOut] of DECISIONS) {
  Deno.test(`GPU tests ${leftOut ? "are left out" : "run"} on ${what}`, () => {
    assertEquals(whyLeftOut(info), leftOut);
  });
}

Deno.test("GPU tests are not left out where the environment requires them", () => {
  for (const required of [undefined, "", "0"]) {
    checkRequired("WebGPU finds no adapter", required);
  }
  checkRequired(null, "1");
  assertThrows(
    () => checkRequired("WebGPU finds no adapter", "1"),
    Error,
    "Cannot leave out GPU tests as TOKENSIEVE_REQUIRE_GPU must be unset for that, and WebGPU finds no adapter: current value is 1",
  );
});

Deno.test("only files of GPU tests import _gpu.ts, as it leaves out all of a file", () => {
  const folder = new URL("./", import.meta.url);
  const namesIn = (room: string): string[] =>
    [...Deno.readDirSync(new URL(room, folder))].map(({ name }) => room + name)
      .filter((name) => name.endsWith(".ts"));
  const rooms = [...Deno.readDirSync(folder)]
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => `${name}/`);
  const importing = ["./", ...rooms].flatMap(namesIn).filter((name) =>
    /^(import |\}).*"\.{1,2}\/_gpu\.ts";$/m.test(
      Deno.readTextFileSync(new URL(name, folder)),
    )
  );
  assert(importing.length > 10);
  assertEquals(
    importing.filter((name) => !/^gpu\/.*_test\.ts$/.test(name)),
    [],
  );
});

/** Runs a program of the repository where there is no adapter. */
async function runWithout(
  [file, ...args]: readonly string[],
  environment: Record<string, string> = {},
): Promise<Finished> {
  const path = (file: string) => new URL(file, import.meta.url).pathname;
  return decoded(
    await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", path(file), ...args],
      env: {
        DENO_WEBGPU_BACKEND: "vulkan",
        VK_DRIVER_FILES: "/nonexistent",
        NO_COLOR: "1",
        TOKENSIEVE_REQUIRE_GPU: "",
        ...environment,
      },
    }).output(),
  );
}

const GPU_TEST = new URL("gpu/upload_test.ts", import.meta.url).pathname;

/** Tests of what other systems do not let be switched off. */
function testOnLinux(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: Deno.build.os !== "linux", fn });
}

testOnLinux(
  "a run without an adapter ignores GPU tests and ends with how many",
  async () => {
    const { code, out } = await runWithout(["run.ts", GPU_TEST]);
    assertEquals(code, 0);
    assertMatch(out, /\nok \| 0 passed \| 0 failed \| 1 ignored /);
    const last = out.trimEnd().split("\n").at(-1)!;
    assertEquals(last, closingLine(1, "WebGPU finds no adapter"));
    assertStringIncludes(last, "Left out: 1 GPU test, as ");
    assertStringIncludes(last, " libvulkan1 and mesa-vulkan-drivers ");
    assertStringIncludes(closingLine(2, "x"), "Left out: 2 GPU tests, as x: ");
  },
);

testOnLinux(
  "a run without an adapter fails where one is required",
  async () => {
    const { code, err } = await runWithout(["run.ts", GPU_TEST], {
      TOKENSIEVE_REQUIRE_GPU: "1",
    });
    assertEquals(code, 1);
    assertMatch(err, /^Cannot leave out GPU tests as /m);
  },
);

testOnLinux("a run ends as Deno's does where nothing is left out", async () => {
  const { code, out } = await runWithout([
    "run.ts",
    "--no-run",
    new URL("core/erf_test.ts", import.meta.url).pathname,
  ]);
  assertEquals([code, out], [0, ""]);
});

const ASK = ["../ask.ts", "how many red shapes ?"];

testOnLinux(
  "ask.ts takes the CPU where there is no adapter, and says so",
  async () => {
    const { code, out, err } = await runWithout(ASK);
    assertEquals(
      [code, err],
      [0, "Runs on the CPU: WebGPU finds no adapter\n"],
    );
    assert(out.length > 0);
  },
);

testOnLinux(
  "ask.ts refuses --device webgpu without an adapter, and says where to get one",
  async () => {
    const { code, out, err } = await runWithout([
      ...ASK,
      "--device=webgpu",
    ]);
    assertEquals([code, out], [2, ""]);
    assertMatch(
      err,
      /^Cannot compute on a GPU as WebGPU finds no adapter: .*libvulkan1.*\n$/,
    );
  },
);

testOnLinux(
  "search.ts refuses --device webgpu without an adapter, and says where to get one",
  async () => {
    const { code, err } = await runWithout([
      "../search.ts",
      "--device=webgpu",
    ]);
    assertEquals(code, 2);
    assertMatch(
      err,
      /^Cannot compute on a GPU as WebGPU finds no adapter: .*libvulkan1.*\n$/,
    );
  },
);
