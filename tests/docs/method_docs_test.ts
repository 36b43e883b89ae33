// The numbers and the code of docs/method.md, computed anew.

import { assert, assertEquals } from "@std/assert";
import {
  createReferenceBackend,
  embedImages,
  embedPrompts,
  fromKeepCounts,
  fromRates,
  fullSchedule,
  type Indices,
  meanKeepingRate,
  predictNextToken,
  type Prompt,
  type RgbImage,
  runDecoder,
  type Schedule,
  sortAndReduce,
  splitPrompt,
  type Tensor,
  type VisionLanguageModel,
} from "../../core/mod.ts";
import {
  drawSurvivors,
  KEEP,
  loadEmbedded,
  QUESTION,
  SURVIVORS,
  tellStory,
} from "../../docs/figures.ts";
import {
  attentionByLayer,
  createEvaluator,
  makeSceneSet,
} from "../../eval/mod.ts";
import { decodeImage } from "../../io/mod.ts";
import { formatBar } from "../../report/mod.ts";
import {
  askGSearch,
  decoderFlops,
  type Evaluation,
  gSearch,
  initGSearch,
  kendallTau,
  neighbouringTau,
  prefillFlops,
  publishedModels,
  solveSigmoid,
  tellGSearch,
  visionFlops,
} from "../../search/mod.ts";
import { assertClose } from "../_compare.ts";
import { importBlock, readPage } from "../_docs.ts";
import { gSearchRates, neighbouringTaus } from "../_published.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

const page = await readPage("method.md");
const { cells, table, stated } = page;
const embedded = await loadEmbedded();
const { model, tokenizer } = embedded;
const { backend } = model;
const [N, L] = [model.config.visionTokens, model.config.decoder.layers];

/** The numbers of a list such as `144 67 3`, found by what stands before it. */
function statedList(before: string): number[] {
  const [, text] = page.text.replaceAll(/\s+/g, " ").split(before);
  return text.match(/^`([\d ]+)`/)![1].split(" ").map(Number);
}

const scenes = (split: "calibration" | "heldout", count: number) =>
  makeSceneSet(tokenizer, model.config.imageToken as number, {
    split,
    seed: 0,
    count,
  });

Deno.test("the method page states the models' sizes", () => {
  const tokens = tokenizer.encode(`<bos><image>${QUESTION}`).length - 1;
  const { "LLaVA-1.5-7B": llava, "InternVL2-2B": internVl } = publishedModels;
  assertEquals(
    table(/^\| model +\| vision tokens/).map((row) => row.slice(1)),
    [
      ...[llava, internVl].map((m) => [m.visionTokens, m.textTokens, m.layers]),
      [N, tokens, L],
    ],
  );
  assertEquals(stated("The question has "), tokens - 1);
});

Deno.test("the method page's figure is what the model keeps", async () => {
  assertEquals(statedList("a run of G-Search found: "), KEEP);
  assertEquals(
    ["Layer 2 keeps ", "Layer 5 keeps ", "Layers 6 and 7 compute with "]
      .map(stated),
    [KEEP[2], KEEP[5], KEEP[6]],
  );
  const story = await tellStory(embedded);
  assertEquals(story.kept.map(({ length }) => length), KEEP);
  const committed = await Deno.readTextFile(SURVIVORS);
  // Encoders may differ in how they pack the same pixels.
  const [, png] = committed.match(/base64,([^"]+)/)!;
  const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
  assert(
    committed === drawSurvivors(story, bytes),
    `not what deno task docs:figures draws: ${SURVIVORS}`,
  );
  const { data } = await decodeImage(bytes, "the scene");
  assertEquals([...data], [...story.image.data]);

  const [, said] = page.text.match(/the model says "(\w+)"/)!;
  assertEquals(story.answer, said);
  const whole = await model.backend.read(
    predictNextToken(model, stateOf(story.image), fullSchedule(L, N)),
  );
  const [best] = tokenizer.encode(said);
  assertEquals(whole.indexOf(Math.max(...whole)), best);
  // The triangle's centre is at (36, 70), so it is on these patches.
  const triangle = [8 * 12 + 4, 9 * 12 + 4];
  assertEquals(story.kept[7].filter((n) => triangle.includes(n)), triangle);
});

/** What enters layer 0 with the figure's question. */
function stateOf(image: RgbImage) {
  const prompt = splitPrompt(
    tokenizer.encode(`<bos><image>${QUESTION}`),
    model.config.imageToken as number,
  );
  return embedPrompts(model, embedImages(model, [image]), [prompt]);
}

Deno.test("the method page's six tokens go through Sort & Reduce as it says", async () => {
  const b = createReferenceBackend();
  const upload = (values: number[], shape: number[]): Tensor =>
    b.upload(Float32Array.from(values), shape);
  const ids = (values: number[]): Indices =>
    b.upload(Int32Array.from(values), [1, values.length]);

  // With the unit vectors for keys, √E log p as a query gives attention p.
  const S = 9;
  const attention = cells(/^\| query +\| head/).map((row) =>
    row.slice(2).map((cell) => cell === "" ? 0 : Number(cell))
  );
  for (const row of attention) {
    assertClose([row.reduce((sum, p) => sum + p)], [1], { absolute: 1e-9 });
  }
  const unit = (i: number): number[] =>
    Array.from({ length: S }, (_, j) => Number(i === j));
  const q = attention.flatMap((row) =>
    row.map((p) => Math.sqrt(S) * Math.log(p || 1))
  );
  const k = [...Array(S).keys()].flatMap((i) => [...unit(i), ...unit(i)]);
  const vision = { start: 1, length: 6 };
  const scores = b.attentionScores(
    upload(q, [1, 2, 2 * S]),
    upload(k, [1, S, 2 * S]),
    {
      headWidth: S,
      causal: {
        queries: ids([7, 8]),
        keys: ids([...Array(S).keys()]),
      },
      queryRows: { start: 0, length: 2 },
      keyColumns: vision,
    },
  );
  const [first] = table(/^\| token \| +v0/);
  assertClose(await b.read(scores), first.slice(1), { absolute: 1e-6 });

  const state = {
    // Each row says which token it is.
    hidden: upload([...Array(S).keys()], [1, S, 1]),
    positions: ids([...Array(S).keys()]),
    vision,
    length: S,
    scores,
  };
  const three = sortAndReduce(b, state, 3, "original");
  assertEquals([...await b.read(three.hidden)], [0, 2, 4, 5, 7, 8]);
  assertEquals(
    [...await b.read(three.positions)],
    statedList("The survivors keep theirs: "),
  );
  // v0 and v5 tie.
  const five = sortAndReduce(b, state, 5, "original");
  assertEquals([...await b.read(five.positions)], [0, 1, 2, 3, 4, 5, 7, 8]);

  const [second] = table(/^\| token \| +v1/);
  const next = { ...three, scores: upload(second.slice(1), [1, 3]) };
  const two = sortAndReduce(b, next, 2, "original");
  assertEquals(
    [...await b.read(two.positions)],
    statedList("v1 and v4 stay, at the positions "),
  );
});

/** What the page's block of code exports. */
interface Straight {
  forward(
    model: VisionLanguageModel,
    image: RgbImage,
    prompt: Prompt,
    keep: readonly number[],
  ): { logits: Tensor; positions: Indices[] };
}

Deno.test("the method page's forward pass is the fast one", async () => {
  const { forward } = await importBlock<Straight>(page.block("ts", /forward/));
  const set = scenes("heldout", 8);
  const schedules: Schedule[] = [
    fullSchedule(L, N),
    fromKeepCounts(KEEP, N),
    fromKeepCounts([144, 100, 100, 31, 7, 7, 0, 0], N),
  ];
  for (const schedule of schedules) {
    // With its caches: of images, of what stands before a question, of batches.
    const { samples } = await createEvaluator(model, set)(schedule);
    const losses = new Map(samples.map(({ index, loss }) => [index, loss]));
    for (const [index, { image, prompt, answer }] of set.samples.entries()) {
      const [picture] = set.images[image];
      const { logits, positions } = forward(
        model,
        picture,
        prompt,
        schedule.keep,
      );
      let state = embedPrompts(model, embedImages(model, [picture]), [prompt]);
      const whole = predictNextToken(model, state, schedule);
      const values = await backend.read(logits);
      assertClose(values, await backend.read(whole), F32_TOLERANCES.logits);
      for (let layer = 0; layer < L; layer++) {
        const options = { from: layer, to: layer + 1 };
        state = runDecoder(model, state, schedule, options);
        assertEquals(
          await backend.read(positions[layer]),
          await backend.read(state.positions),
          `layer ${layer}`,
        );
      }
      const sum = values.reduce((sum, value) => sum + Math.exp(value), 0);
      const loss = Math.log(sum) - values[answer[0]];
      assertClose([losses.get(index)!], [loss], F32_TOLERANCES.logits);
    }
  }
});

Deno.test("the method page's τ are those of its rows, the paper's and the model's", async () => {
  const [x, y] = [table(/^\| token \| +v0/)[0], table(/^\| token \| +v1/)[0]];
  const tau = kendallTau([x[2], x[4], x[5]], y.slice(1));
  assertClose([stated("so τ = (2 − 1) / 3 = ")], [tau], { absolute: 5e-4 });

  const [one, other] = neighbouringTaus;
  assertClose([stated("In one the first two layers have ")], [one[0]], {
    absolute: 5.1e-3,
  });
  assertClose([stated(", in the other ")], [other[0]], { absolute: 5.1e-3 });
  const rest = [...one.slice(1), ...other.slice(1)];
  assertEquals(rest.length, 2 * 30);
  assertEquals(stated("All other neighbours have "), Math.min(...rest));
  assertEquals(stated("have .68 to "), Math.max(...rest));

  const set = scenes("heldout", stated("The embedded model, mean of "));
  const taus = neighbouringTau(await attentionByLayer(model, set));
  const lines = page.block("text", /^layers 0-1/).trimEnd().split("\n");
  assertEquals(lines.length, L - 1);
  for (const [layer, line] of lines.entries()) {
    const [, name, value, bar] = line.match(/^layers (\S+) +(\S+) +(.*)$/)!;
    assertEquals(name, `${layer}-${layer + 1}`);
    assertClose([Number(value)], [taus[layer]], { absolute: 5.1e-3 });
    assertEquals(bar, formatBar(Number(value), 40));
  }
});

const right = ({ samples }: Evaluation): number =>
  samples.filter(({ correct }) => correct).length;

Deno.test("the method page's G-Search takes the steps it says", async () => {
  const count = stated("small enough to follow: `models/tiny`, ");
  const evaluate = createEvaluator(model, scenes("calibration", count));
  const space = { layers: L, visionTokens: N, firstLayer: 2 };
  const criterion = { kind: "accuracy", epsilon: stated("ε = ") } as const;
  const search = gSearch(evaluate, { ...space, criterion });
  let step = await search.next();
  while (!step.done) step = await search.next();
  const { trials, schedule, full } = step.value;
  assertEquals(right(full), stated("With all tokens it answers "));

  let state = initGSearch(space);
  const rows = trials.map(({ layer, keep, verdict }, i) => {
    const { low, high } = state;
    assertEquals(askGSearch(state)!.keep, keep);
    state = tellGSearch(state, verdict);
    return [i + 1, layer, low, high, keep, verdict].map(String);
  });
  assertEquals(cells(/^\| trial/), rows);
  assertEquals(schedule.keep, statedList("found this one: "));
  // Ways to fall from 144 over 6 layers: 6 of 145 counts, some more than once.
  const ways = [0, 1, 2, 3, 4, 5].reduce((w, i) => w * (150 - i) / (i + 1), 1);
  assertClose([stated("There are ")], [ways / 1e9], { absolute: .051 });

  const other = createEvaluator(model, scenes("heldout", stated("good? On ")));
  assertEquals(
    [right(await other(fullSchedule(L, N))), right(await other(schedule))],
    [stated("the full model has "), stated("and this schedule ")],
  );
});

Deno.test("the method page's sigmoids spend their budget", () => {
  const limit = stated("a mean keeping rate of at most ");
  const shape = { layers: 32, visionTokens: 576, firstLayer: 3 };
  const budget = { kind: "rate", limit } as const;
  const rows = table(/^\| +k \| +a /);
  assertEquals(rows.length, 3);
  for (const [k, a, b, ...keep] of rows) {
    const { sigmoid, schedule } = solveSigmoid({ k, a }, { ...shape, budget });
    assertClose([b], [sigmoid.b], { absolute: 5.1e-4 });
    const layers = [3, 8, 12, 16, 20, 24, 28, 31];
    assertEquals(keep, layers.map((layer) => schedule.keep[layer]));
    // One more token in every layer would be too many.
    assert(meanKeepingRate(schedule) <= limit);
    assert(meanKeepingRate(schedule) > limit - 1 / 576);
  }
});

Deno.test("the method page's terms add up to what a prefill costs", () => {
  const llava = publishedModels["LLaVA-1.5-7B"];
  const { width: D, kvWidth, mlpWidth: M, vocabulary: V, textTokens } = llava;
  assertEquals(
    ["D = D_kv = ", " M = ", " V = ", " T = "].map(stated),
    [D, M, V, textTokens],
  );
  assertEquals(kvWidth, D);
  const schedules = [
    fullSchedule(32, 576),
    fromRates([1, 1, 1, ...gSearchRates], 576),
  ];
  const encoder = visionFlops({
    images: 1,
    layers: 24,
    width: 1024,
    mlpWidth: 4096,
    patches: 576,
    patchInputs: 588,
    tokens: 577,
    projectorTokens: 0,
    projectorWidths: [],
  });
  const columns = schedules.map((schedule) => {
    const tokens = schedule.keep.map((keep) => textTokens + keep);
    const sum = (f: (n: number) => number): number =>
      tokens.reduce((total, n) => total + f(n), 0);
    const terms = [
      sum((n) => n * 2 * (2 * D ** 2 + 2 * D * kvWidth)),
      sum((n) => n * 2 * 3 * D * M),
      sum((n) => 4 * n ** 2 * D),
      2 * tokens[31] * D * V,
    ];
    assertClose(
      [terms.reduce((a, b) => a + b)],
      [decoderFlops(llava, schedule, textTokens)],
      { relative: 1e-12 },
    );
    const all = prefillFlops(llava, schedule, textTokens);
    return [...terms, encoder, llava.visionFlops - encoder, all];
  });
  const rows = table(/^\| term/).map((row) => row.slice(2));
  for (const [c, column] of columns.entries()) {
    assertClose(rows.map((row) => row[c]), column.map((x) => x / 1e12), {
      absolute: 5.1e-4,
    });
  }
  const [[q, mlp, products, head, , , full], [, , , , , , reduced]] = columns;
  assertClose([stated("The paper prints ")], [full / 1e12], { absolute: .03 });
  assertClose([stated("9.18 and ")], [reduced / 1e12], { absolute: .03 });
  assertClose(
    [stated("9.18 and 3.95, "), stated("Here it is ")],
    [9.18 / 3.95, full / reduced],
    { absolute: 5.1e-3 },
  );
  const linear = (q + mlp + head) / (q + mlp + products + head);
  assertEquals(
    Math.round(100 * linear),
    stated("Note what the formula says: "),
  );
  assertClose(
    [stated("1 for the unreduced model, ")],
    [meanKeepingRate(schedules[1])],
    { absolute: 5.1e-4 },
  );
});
