import { assertEquals } from "@std/assert";
import { type Question, questionText } from "../../io/mod.ts";

const QUESTION: Question = {
  id: "1",
  image: "a.png",
  question: "is it red ?",
  answers: ["no"],
};

Deno.test("questionText() asks for a letter, a few words, or as the file does", () => {
  const choices = ["cat", "dog"];
  assertEquals(
    questionText({ ...QUESTION, choices }, "jsonl"),
    "is it red ?\nA. cat\nB. dog\nAnswer with the option's letter from the given choices directly.",
  );
  assertEquals(
    questionText({ ...QUESTION, choices: ["cat", "", "dog"] }, "mmbench"),
    "is it red ?\nA. cat\nC. dog\nAnswer with the option's letter from the given choices directly.",
  );
  assertEquals(
    questionText(QUESTION, "vqa"),
    "is it red ?\nAnswer the question using a single word or phrase.",
  );
  assertEquals(questionText(QUESTION, "jsonl"), "is it red ?");
});
