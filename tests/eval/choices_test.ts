// Letters of choices: examples that the rules are told by, and the verdicts of
// the benchmarks' own scripts.

import { assertEquals } from "@std/assert";
import { choiceLetter, scienceQaLetter } from "../../eval/mod.ts";
import fixture from "../fixtures/answers.json" with { type: "json" };

const CHOICES = ["the cat", "A dog", "bird", "cat"];

type Verdict = [answer: string, choices: string[], letter: string | null];

Deno.test("choiceLetter() reads answers as VLMEvalKit does", () => {
  const cases: [answer: string, letter: string | null][] = [
    ["B", "B"],
    ["**B**", "B"],
    ["Option B", "B"],
    ["Answer: **D**", "D"],
    ["ANSWER: B", "B"],
    ["B\nBecause it is", "B"],
    ["B\nBecause it is so", null], // too far from the end
    ["C. The answer is D.", "D"], // two letters: then by "answer is"
    ["A or B", null],
    ["The answer is a fish", "A"],
    ["b", null],
    ["BIRD", "C"],
    ["Z", null],
    ["", null],
  ];
  for (const [answer, letter] of cases) {
    assertEquals(choiceLetter(answer, CHOICES), letter, answer);
  }
  // The letter of an empty choice is a word as others are.
  assertEquals(choiceLetter("B or D", ["x", "y", "", ""]), "B");
});

Deno.test("choiceLetter() has VLMEvalKit's verdicts", () => {
  for (const row of fixture.vlmevalkit as Verdict[]) {
    const [answer, choices, letter] = row;
    assertEquals(choiceLetter(answer, choices), letter, JSON.stringify(row));
  }
});

Deno.test("scienceQaLetter() reads answers as LLaVA's script does", () => {
  const cases: [answer: string, letter: string | null][] = [
    ["B", "B"],
    ["B. A dog", "B"],
    ["The answer is C.", "C"],
    ["So it is C. The answer is D.", "D"],
    ["The answer is C", null], // nothing after it
    ["The answer is C. The answer is C.", null], // twice
    ["B.", null],
    ["**B**", null],
    ["E", null], // of no choice
  ];
  for (const [answer, letter] of cases) {
    assertEquals(scienceQaLetter(answer, CHOICES), letter, answer);
  }
});

Deno.test("scienceQaLetter() has the verdicts of LLaVA's script", () => {
  for (const row of fixture.scienceqa as Verdict[]) {
    const [answer, choices, letter] = row;
    assertEquals(scienceQaLetter(answer, choices), letter, JSON.stringify(row));
  }
});
