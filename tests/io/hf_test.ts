import { assertEquals, assertRejects } from "@std/assert";
import { openFolder } from "../../io/folder.ts";
import { loadCheckpoint } from "../../io/hf.ts";
import { float32File } from "../_safetensors.ts";

const A = float32File({ a: { shape: [2], values: [1, 2] } });
const B = float32File({
  b: { shape: [1], values: [3] },
  c: { shape: [1], values: [4] },
});

/** The small files every model has. */
const SMALL = {
  "config.json": '{"model_type": "llava"}',
  "preprocessor_config.json": '{"size": 96}',
  "tokenizer.json": "{}",
};

const INDEX = "model.safetensors.index.json";

function indexOf(weightMap: unknown): string {
  return JSON.stringify({ metadata: {}, weight_map: weightMap });
}

/** Loads a folder with these files in it, then looks at what was loaded. */
async function load(
  files: Readonly<Record<string, string | Uint8Array>>,
  look: (
    load: () => ReturnType<typeof loadCheckpoint>,
    directory: string,
  ) => Promise<void>,
) {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      if (typeof content === "string") {
        await Deno.writeTextFile(`${directory}/${name}`, content);
      } else await Deno.writeFile(`${directory}/${name}`, content);
    }
    await look(() => loadCheckpoint(openFolder(directory)), directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("loadCheckpoint() reads a folder with one file of weights", async () => {
  await load({ ...SMALL, "model.safetensors": A }, async (loaded) => {
    const { config, preprocessor, tokenizer, weights } = await loaded();
    assertEquals(config.json, { model_type: "llava" });
    assertEquals(preprocessor?.json, { size: 96 });
    assertEquals(tokenizer, "{}");
    assertEquals(await weights.read("a"), Float32Array.of(1, 2));
  });
});

Deno.test("loadCheckpoint() finds tensors across shards", async () => {
  const files = {
    ...SMALL,
    "model-00001-of-00002.safetensors": A,
    "model-00002-of-00002.safetensors": B,
    [INDEX]: indexOf({
      a: "model-00001-of-00002.safetensors",
      c: "model-00002-of-00002.safetensors",
      b: "model-00002-of-00002.safetensors",
    }),
  };
  await load(files, async (loaded, directory) => {
    const { weights } = await loaded();
    assertEquals([...weights.tensors.keys()].sort(), ["a", "b", "c"]);
    assertEquals(weights.tensors.get("a")!.shape, [2]);
    assertEquals(await weights.read("a"), Float32Array.of(1, 2));
    assertEquals(await weights.read("b"), Float32Array.of(3));
    assertEquals(await weights.read("c"), Float32Array.of(4));
    const second = { start: 1, length: 1 };
    assertEquals(await weights.read("a", second), Float32Array.of(2));
    await assertRejects(
      () => weights.read("d"),
      RangeError,
      `Cannot read tensor "d" as ${directory}/${INDEX} has no tensor of that name`,
    );
  });
});

Deno.test("loadCheckpoint() takes up what the index leaves out of its shards", async () => {
  const files = {
    ...SMALL,
    "b.safetensors": B,
    [INDEX]: indexOf({ b: "b.safetensors" }),
  };
  await load(files, async (loaded) => {
    const { weights } = await loaded();
    assertEquals([...weights.tensors.keys()], ["b", "c"]);
    assertEquals(await weights.read("c"), Float32Array.of(4));
  });
});

Deno.test("loadCheckpoint() reads the files that a folder may have", async () => {
  const { "preprocessor_config.json": _, ...few } = SMALL;
  await load({ ...few, "model.safetensors": A }, async (loaded) => {
    const { generation, preprocessor } = await loaded();
    assertEquals([generation, preprocessor], [null, null]);
  });
  const whole = {
    ...SMALL,
    "model.safetensors": A,
    "generation_config.json": '{"eos_token_id": 2}',
    "processor_config.json": '{"processor_class": "LlavaProcessor"}',
  };
  await load(whole, async (loaded, directory) => {
    const { generation, preprocessor } = await loaded();
    assertEquals(generation, {
      path: `${directory}/generation_config.json`,
      json: { eos_token_id: 2 },
    });
    assertEquals(preprocessor, {
      path: `${directory}/preprocessor_config.json`,
      json: { size: 96 },
    });
  });
});

Deno.test("loadCheckpoint() prefers the image processor that transformers 5 nests", async () => {
  const files = {
    ...SMALL,
    "model.safetensors": A,
    "processor_config.json": JSON.stringify({
      processor_class: "InternVLProcessor",
      image_processor: { size: 48 },
      image_seq_length: 4,
    }),
  };
  await load(files, async (loaded, directory) => {
    assertEquals((await loaded()).preprocessor, {
      path: `${directory}/processor_config.json`,
      json: { processor_class: "InternVLProcessor", size: 48 },
    });
  });
});

Deno.test("loadCheckpoint() names the file that is missing", async () => {
  const whole = { ...SMALL, "model.safetensors": A };
  const messages = {
    "config.json": "Cannot read DIR/config.json as there is no such file",
    "tokenizer.json":
      "Cannot load DIR as it has no tokenizer.json: AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers writes one",
  } as const;
  for (const [missing, message] of Object.entries(messages)) {
    const { [missing]: _, ...files } = whole as Record<
      string,
      string | Uint8Array
    >;
    await load(files, async (loaded, directory) => {
      await assertRejects(loaded, Error, message.replace("DIR", directory));
    });
  }
  await load(SMALL, async (loaded, directory) => {
    await assertRejects(
      loaded,
      Error,
      `Cannot load ${directory} as it has neither model.safetensors nor ${INDEX}`,
    );
  });
});

Deno.test("loadCheckpoint() says that a model is not supported before it misses files", async () => {
  const files = { "config.json": '{"model_type": "qwen2_vl"}' };
  await load(files, async (loaded, directory) => {
    await assertRejects(
      loaded,
      RangeError,
      `Cannot read ${directory}/config.json as model_type must be one of "llava" (LLaVA-1.5), `,
    );
  });
});

Deno.test("loadCheckpoint() tells how weights of another format are converted", async () => {
  const names = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
  for (const name of names) {
    await load({ ...SMALL, [name]: "" }, async (loaded, directory) => {
      await assertRejects(
        loaded,
        Error,
        `Cannot load ${directory} as its weights must be in model.safetensors, not in pytorch_model*.bin; to convert them, run there: pip install torch safetensors && python3 -c '`,
      );
    });
  }
});

Deno.test("loadCheckpoint() refuses an index that is not one", async () => {
  const refuses = async (index: string, message: string) => {
    await load({ ...SMALL, "a.safetensors": A, [INDEX]: index }, async (
      loaded,
      directory,
    ) => {
      await assertRejects(
        loaded,
        Error,
        message.replace("DIR", directory),
      );
    });
  };
  await refuses("null", `Cannot read DIR/${INDEX} as it has no "weight_map"`);
  await refuses("{", `Cannot read DIR/${INDEX} as it is not JSON: `);
  for (
    const file of ["../../a.safetensors", "/a", "b/a", "..", "b\\a", "", 1]
  ) {
    await refuses(
      indexOf({ a: file }),
      `Cannot read DIR/${INDEX} as the file of tensor "a" must be a plain file name: current value is ${
        JSON.stringify(file)
      }`,
    );
  }
  await refuses(
    indexOf({ z: "a.safetensors" }),
    `Cannot load DIR as ${INDEX} puts tensor "z" into a.safetensors, which does not have it`,
  );
  await refuses(
    indexOf({ a: "b.safetensors" }),
    "Cannot read DIR/b.safetensors as there is no such file",
  );
});
