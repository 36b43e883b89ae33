// Metrics of answers in words: examples worked by hand, and those that the
// benchmarks' own pages and code give.

import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  anls,
  gqaCorrect,
  mmeScores,
  normalizeVqaAnswer,
  popeScores,
  popeYesNo,
  relaxedCorrect,
  vqaAccuracy,
  type YesNoResult,
} from "../../eval/mod.ts";
import fixture from "../fixtures/answers.json" with { type: "json" };

/** A row of a fixture. */
type Scored = [answer: string, references: string[], score: number];

Deno.test("normalizeVqaAnswer() does what VQAEval's tables and expressions say", () => {
  const cases: [answer: string, normalized: string][] = [
    ["Yes", "yes"],
    ["  a dog \n", "dog"],
    ["The Eiffel Tower.", "eiffel tower"],
    ["an\tapple", "apple"],
    ["two", "2"],
    ["None", "0"],
    ["ten people", "10 people"],
    ["eleven", "eleven"],
    // A mark with letters on both sides is a space, else nothing.
    ["black/white", "black white"],
    ["black / white", "black white"],
    ["red, white", "red white"],
    ["red,white", "red white"],
    ["t-shirt", "t shirt"],
    ["what?", "what"],
    // A comma within a number: nothing becomes a space.
    ["1,000", "1000"],
    ["1,000-2,000", "10002000"],
    // A full stop goes unless a digit follows.
    ["3.5", "3.5"],
    ["St. Mary", "st mary"],
    [".5", ".5"],
    ["5.", "5"],
    // Apostrophes are not punctuation; missing ones are put in.
    ["dont", "don't"],
    ["don't", "don't"],
    ["couldntve", "couldntve"],
    ["couldn'tve", "couldn't've"],
    ["couldnt've", "couldn't've"],
    ["oclock", "o'clock"],
    ["ow's'at", "'ow's'at"],
    ["somebody'd", "somebodyd"],
    ["shes", "shes"],
    ["the", ""],
    ["", ""],
    ["constructor", "constructor"],
  ];
  for (const [answer, normalized] of cases) {
    assertEquals(normalizeVqaAnswer(answer), normalized, answer);
  }
});

Deno.test("vqaAccuracy() of 0 to 10 equal answers of ten is 0, .3, .6, .9, 1 …", () => {
  for (let equal = 0; equal <= 10; equal++) {
    const references = Array.from(
      { length: 10 },
      (_, i) => i < equal ? "red" : `other ${i}`,
    );
    assertAlmostEquals(
      vqaAccuracy("Red.", references),
      [0, 0.3, 0.6, 0.9][equal] ?? 1,
      1e-12,
    );
  }
});

Deno.test("vqaAccuracy() normalises people's answers too, and takes a single one", () => {
  assertEquals(vqaAccuracy("2", Array(10).fill("Two")), 1);
  assertEquals(vqaAccuracy("the cat", ["cat"]), 1);
  assertEquals(vqaAccuracy("the cat", ["dog"]), 0);
});

Deno.test("gqaCorrect() compares words without case and full stop", () => {
  assertEquals(gqaCorrect(" Left. ", "left"), true);
  assertEquals(gqaCorrect("to the left", "left"), false);
  assertEquals(gqaCorrect("", "left"), false);
});

Deno.test("popeYesNo() says no where the first sentence has no or not", () => {
  const cases: [answer: string, said: "yes" | "no"][] = [
    ["Yes", "yes"],
    ["No", "no"],
    ["no", "no"],
    ["No, there is none.", "no"],
    ["There is not any cat", "no"],
    ["Yes. But no dog.", "yes"],
    ["Nothing here", "yes"],
    ["NO", "yes"],
    ["", "yes"],
    // Only spaces part words there.
    ["Well,\nno", "yes"],
  ];
  for (const [answer, said] of cases) {
    assertEquals(popeYesNo(answer), said, answer);
  }
});

Deno.test("popeScores() counts as worked by hand", () => {
  const results = (
    answer: string,
    label: "yes" | "no",
    count: number,
  ): YesNoResult[] => Array(count).fill({ answer, label });
  const scores = popeScores([
    ...results("Yes", "yes", 3), // true positives
    ...results("Yes", "no", 1), // false positive
    ...results("No", "no", 4), // true negatives
    ...results("No", "yes", 2), // false negatives
  ]);
  assertEquals(scores, {
    accuracy: 0.7,
    precision: 0.75,
    recall: 0.6,
    f1: 6 / 9,
    yesRatio: 0.4,
  });
  assertEquals(popeScores(results("No", "no", 2)), {
    accuracy: 1,
    precision: 0,
    recall: 0,
    f1: 0,
    yesRatio: 0,
  });
  assertEquals(popeScores([]).accuracy, 0);
});

Deno.test("mmeScores() needs both answers of an image for accuracy plus", () => {
  const row = (image: string, answer: string, label: "yes" | "no") => ({
    image,
    answer,
    label,
  });
  assertEquals(
    mmeScores([
      row("a", "Yes", "yes"),
      row("b", "Yes, it is", "yes"),
      row("a", "No.", "no"),
      row("b", "Yes", "no"),
      // Neither among its first four letters.
      row("c", "I think yes", "yes"),
      row("c", " no", "no"),
      row("d", "yes", "yes"),
      row("d", "no", "no"),
    ]),
    { accuracy: 0.75, accuracyPlus: 0.5, score: 125 },
  );
  assertThrows(
    () => mmeScores([row("a", "Yes", "yes")]),
    RangeError,
    "Cannot compute MME's scores as each image must have 2 answers: a has 1",
  );
});

Deno.test("relaxedCorrect() lets numbers be 5 % off and nothing else", () => {
  const cases: [answer: string, reference: string, correct: boolean][] = [
    ["105", "100", true],
    ["95", "100", true],
    ["105.1", "100", false],
    ["-96", "-100", true],
    ["96", "-100", false],
    ["12%", "0.12", true],
    ["12 %", "12%", true],
    ["12", "12%", false],
    ["1e3", "1000", true],
    // Nothing is 5 % of 0.
    ["0", "0", true],
    ["0.0", "0", false],
    ["0.01", "0", false],
    ["Blue", "blue", true],
    ["blue ", "blue", true],
    ["dark blue", "blue", false],
    ["100", "hundred", false],
    ["", "0", false],
    // A year is a number too.
    ["2010", "2015", true],
  ];
  for (const [answer, reference, correct] of cases) {
    assertEquals(relaxedCorrect(answer, reference), correct, answer);
  }
});

Deno.test("anls() is 1 − edits ÷ length, and 0 below one half", () => {
  const cases: [answer: string, references: string[], score: number][] = [
    ["Universty of California", ["university of  california"], 24 / 25],
    ["Sunday", ["sunday"], 1],
    ["saturday", ["sunday"], 1 - 3 / 8],
    ["kitten", ["sitting"], 1 - 3 / 7],
    ["abcd", ["abxy"], 0.5],
    ["abc", ["axy"], 0],
    ["abc", ["axy", "abd"], 2 / 3],
    ["", ["abc"], 0],
    ["", [""], 1],
    ["😀a", ["😀b"], 0.5],
  ];
  for (const [answer, references, score] of cases) {
    assertAlmostEquals(anls(answer, references), score, 1e-12, answer);
  }
});

Deno.test("normalizeVqaAnswer() has VQAEval's forms", () => {
  for (const [answer, normalized] of fixture.vqa_normalized) {
    assertEquals(normalizeVqaAnswer(answer), normalized, answer);
  }
});

Deno.test("vqaAccuracy() has VQAEval's scores, empty answers of people included", () => {
  for (const [answer, people, score] of fixture.vqa as Scored[]) {
    assertAlmostEquals(vqaAccuracy(answer, people), score, 1e-12, answer);
  }
});

Deno.test("popeYesNo() reads answers as LLaVA's script does", () => {
  for (const [answer, said] of fixture.pope) {
    assertEquals(popeYesNo(answer), said, JSON.stringify(answer));
  }
});

Deno.test("relaxedCorrect() has pix2struct's verdicts", () => {
  for (const row of fixture.relaxed) {
    const [answer, reference, correct] = row as [string, string, boolean];
    assertEquals(relaxedCorrect(answer, reference), correct, `${row}`);
  }
});

Deno.test("anls() has the scores of the competition's evaluator", () => {
  for (const [answer, references, score] of fixture.anls as Scored[]) {
    assertAlmostEquals(anls(answer, references), score, 1e-12, answer);
  }
});
