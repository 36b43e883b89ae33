import { assertEquals, assertNotEquals } from "@std/assert";
import type { TensorStore } from "../../core/mod.ts";
import type { SampleSet } from "../../eval/mod.ts";
import { openModelDirectory } from "../../io/mod.ts";
import { modelFingerprint, questionsFingerprint } from "../../study/mod.ts";
import { set } from "../_evaluator.ts";
import { writeSmallModel } from "../_small_model.ts";

/** A model's source, as its folder has it. */
async function openSource(): Promise<Parameters<typeof modelFingerprint>[0]> {
  const directory = await Deno.makeTempDir();
  await writeSmallModel(directory);
  const { source } = await openModelDirectory(directory);
  // Its files are read before they go.
  const values = new Map<string, Float32Array>();
  for (const name of source.tensors.tensors.keys()) {
    values.set(name, await source.tensors.read(name));
  }
  await Deno.remove(directory, { recursive: true });
  const tensors: TensorStore = {
    tensors: source.tensors.tensors,
    read: (name) => Promise.resolve(values.get(name)!.slice()),
  };
  return { source: { ...source, tensors } };
}

Deno.test("modelFingerprint() is the same for the same model, wherever its folder is", async () => {
  assertEquals(
    await modelFingerprint(await openSource()),
    await modelFingerprint(await openSource()),
  );
});

Deno.test("modelFingerprint() tells models apart by one number of any tensor", async () => {
  const { source } = await openSource();
  const { tensors } = source;
  const fingerprints = new Set([await modelFingerprint({ source })]);
  const names = [...tensors.tensors.keys()];
  for (const changed of names) {
    const read: TensorStore["read"] = async (name, rows) => {
      const values = await tensors.read(name, rows);
      if (name === changed) values[values.length - 1] += 1e-3;
      return values;
    };
    const other = { ...source, tensors: { ...tensors, read } };
    fingerprints.add(await modelFingerprint({ source: other }));
  }
  assertEquals(fingerprints.size, 1 + names.length);
});

Deno.test("modelFingerprint() tells models apart by configuration, names and shapes", async () => {
  const { source } = await openSource();
  const first = await modelFingerprint({ source });
  const { config, tensors } = source;
  const decoder = { ...config.decoder, ropeBase: 7 };
  const [name, info] = [...tensors.tensors][0];
  const renamed = new Map(tensors.tensors);
  renamed.delete(name);
  const reshaped = new Map(tensors.tensors);
  reshaped.set(name, { ...info, shape: [...info.shape, 1] });
  for (
    const other of [
      { ...source, config: { ...config, decoder } },
      { ...source, tensors: { ...tensors, tensors: renamed } },
      { ...source, tensors: { ...tensors, tensors: reshaped } },
    ]
  ) {
    assertNotEquals(await modelFingerprint({ source: other }), first);
  }
});

Deno.test("modelFingerprint() reads one row of a large tensor, and none of what cannot be read", async () => {
  const { source } = await openSource();
  const asked: unknown[] = [];
  const large = (middle: number): Promise<string> =>
    modelFingerprint({
      source: {
        ...source,
        tensors: {
          tensors: new Map([
            ["large", { shape: [1001, 1000] }],
            ["integers", { shape: [2] }],
          ]),
          read(name, rows) {
            if (name === "integers") return Promise.reject(new TypeError());
            asked.push(rows);
            return Promise.resolve(new Float32Array(1000).fill(middle));
          },
        },
      },
    });
  assertNotEquals(await large(1), await large(2));
  assertEquals(asked[0], { start: 500, length: 1 });
});

Deno.test("questionsFingerprint() tells questions apart by pictures, words and answers", async () => {
  const first = await questionsFingerprint(set);
  assertEquals(await questionsFingerprint({ ...set }), first);
  const [[tile], ...images] = set.images;
  const [sample, ...samples] = set.samples;
  const data = tile.data.slice();
  data[7] ^= 1;
  const { before, after } = sample.prompt;
  const others: SampleSet[] = [
    { ...set, images: [[{ ...tile, data }], ...images] },
    { ...set, images: [[tile, tile], ...images] },
    { ...set, images: [...images, [tile]] },
    { ...set, samples },
    { ...set, samples: [...samples, sample] },
    ...[
      { ...sample, image: (sample.image + 1) % 3 },
      { ...sample, answer: [...sample.answer, 5] },
      { ...sample, prompt: { before: [...before, 5], after } },
      // The same words, divided elsewhere.
      { ...sample, prompt: { before: [...before, ...after], after: [] } },
    ].map((changed) => ({ ...set, samples: [changed, ...samples] })),
  ];
  const fingerprints = await Promise.all(others.map(questionsFingerprint));
  assertEquals(new Set([first, ...fingerprints]).size, 1 + others.length);
});
