/**
 * Writes scenes and questions for training as NumPy files, so that training
 * and evaluation see one distribution:
 *
 *     deno task train:data            # into train/data, about 1.9 GB
 *
 * Per split: images [N, 96, 96, 3], patches [N, 144, 5] (labels of every
 * patch: colour, shape, size, digit, object centre), tokens [N, Q, L],
 * lengths, answers and kinds [N, Q]; all unsigned bytes.
 */
// deno-lint-ignore-file no-console

import { ask, type Kind, KINDS, VOCABULARY } from "../eval/scene_questions.ts";
import {
  COLORS,
  drawScene,
  type Scene,
  SCENE_SIZE,
  sceneRandom,
  SHAPES,
  SIZES,
  type Split,
} from "../eval/scenes.ts";

const PATCH = 8;
const GRID = SCENE_SIZE / PATCH;
const LONGEST_QUESTION = 11;
/** A patch belongs to an object that covers at least so many of its 64 pixels. */
const MIN_PATCH_PIXELS = 6;

/** One set of questions; every image gets two of them. Hard kinds come more often. */
const MIX: Kind[] = [
  ...["exist", "exist", "color", "color", "shape"] as const,
  ...["count_color", "count_color", "count_shape", "count_shape"] as const,
  ...["count_all", "size", "where", "read", "read"] as const,
  ...["above", "above", "below"] as const,
];
const QUESTIONS = [
  ...MIX,
  ...MIX.map((kind) =>
    kind === "above" ? "below" : kind === "below" ? "above" : kind
  ),
];

const SPLIT_SIZES: [Split, scenes: number, maxShapes: number][] = [
  ["validation", 400, 7],
  ["easy", 6_000, 3],
  ["train", 60_000, 7],
];

/** Labels of the 144 patches, row-major, five bytes each. */
function labelPatches({ objects, owner }: Scene): Uint8Array {
  const labels = new Uint8Array(GRID * GRID * 5);
  for (let patch = 0; patch < GRID * GRID; patch++) {
    const counts = new Array<number>(objects.length).fill(0);
    const top = Math.floor(patch / GRID) * PATCH;
    const left = (patch % GRID) * PATCH;
    for (let y = top; y < top + PATCH; y++) {
      for (let x = left; x < left + PATCH; x++) {
        const index = owner[y * SCENE_SIZE + x];
        if (index >= 0) counts[index]++;
      }
    }
    const most = Math.max(...counts);
    const object = most >= MIN_PATCH_PIXELS
      ? objects[counts.indexOf(most)]
      : null;
    labels.set([
      object?.color ?? COLORS.length,
      object === null ? SHAPES.length + 1 : object.shape ?? SHAPES.length,
      (object?.shape ?? null) === null ? SIZES.length : object!.size,
      object?.digit ?? 10,
    ], patch * 5);
  }
  for (const { x, y } of objects) {
    labels[(Math.floor(y / PATCH) * GRID + Math.floor(x / PATCH)) * 5 + 4] = 1;
  }
  return labels;
}

/** A .npy file of unsigned bytes, written front to back. */
function createNpy(path: string, shape: readonly number[]): Deno.FsFile {
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${
    shape.join(", ")
  },), }`;
  // Version 1.0: magic (6), version (2), header length (2), header, padded to 64 bytes.
  const padded = text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11) +
    "\n";
  const file = Deno.openSync(path, {
    write: true,
    create: true,
    truncate: true,
  });
  const length = padded.length;
  const magic = [
    0x93,
    ...new TextEncoder().encode("NUMPY"),
    1,
    0,
    length & 255,
    length >> 8,
  ];
  writeAll(
    file,
    Uint8Array.from([...magic, ...new TextEncoder().encode(padded)]),
  );
  return file;
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += file.writeSync(bytes.subarray(done));
  }
}

function exportSplit(
  root: string,
  split: Split,
  count: number,
  maxShapes: number,
): void {
  const folder = `${root}/${split}`;
  Deno.mkdirSync(folder, { recursive: true });
  const Q = QUESTIONS.length;
  const images = createNpy(`${folder}/images.npy`, [
    count,
    SCENE_SIZE,
    SCENE_SIZE,
    3,
  ]);
  const patches = createNpy(`${folder}/patches.npy`, [count, GRID * GRID, 5]);
  const tokens = createNpy(`${folder}/tokens.npy`, [
    count,
    Q,
    LONGEST_QUESTION,
  ]);
  const lengths = createNpy(`${folder}/lengths.npy`, [count, Q]);
  const answers = createNpy(`${folder}/answers.npy`, [count, Q]);
  const kinds = createNpy(`${folder}/kinds.npy`, [count, Q]);
  const id = new Map(VOCABULARY.map((word, index) => [word, index]));

  for (let n = 0; n < count; n++) {
    const random = sceneRandom(split, 0, n);
    const scene = drawScene(random, maxShapes);
    const asked = QUESTIONS.map((kind) =>
      // "exist" can be asked of every scene.
      ask(random, scene, kind) ?? ask(random, scene, "exist")!
    );
    const tokensOfScene = new Uint8Array(Q * LONGEST_QUESTION);
    asked.forEach(({ words }, q) =>
      tokensOfScene.set(
        words.map((word) => id.get(word)!),
        q * LONGEST_QUESTION,
      )
    );
    writeAll(images, scene.pixels);
    writeAll(patches, labelPatches(scene));
    writeAll(tokens, tokensOfScene);
    writeAll(lengths, Uint8Array.from(asked, ({ words }) => words.length));
    writeAll(answers, Uint8Array.from(asked, ({ answer }) => id.get(answer)!));
    writeAll(kinds, Uint8Array.from(asked, ({ kind }) => KINDS.indexOf(kind)));
    if ((n + 1) % 2_000 === 0 || n + 1 === count) {
      console.log(`${split} ${n + 1} of ${count}`);
    }
  }
  for (const file of [images, patches, tokens, lengths, answers, kinds]) {
    file.close();
  }
}

if (import.meta.main) {
  const root = new URL("data", import.meta.url).pathname;
  for (const [split, count, maxShapes] of SPLIT_SIZES) {
    exportSplit(root, split, count, maxShapes);
  }
  await Deno.writeTextFile(
    `${root}/meta.json`,
    JSON.stringify({
      vocabulary: VOCABULARY,
      kinds: KINDS,
      questionsPerImage: QUESTIONS.length,
    }),
  );
}
