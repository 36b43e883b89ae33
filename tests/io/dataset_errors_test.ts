// Question files that are wrong: each with the sentence that it gets.

import { assertEquals, assertThrows } from "@std/assert";
import { type DatasetOptions, parseDataset } from "../../io/mod.ts";

const GOOD = '{"image": "a.png", "question": "red?", "answer": "no"}';

/** A wrong file, and what is said after "Cannot read q as ". */
interface Case {
  readonly name: string;
  readonly text: string;
  readonly reason: string;
  readonly options?: DatasetOptions;
}

const CASES: Case[] = [];

/** A file as a whole that is wrong. */
function file(name: string, value: unknown, reason: string): void {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  CASES.push({ name, text, reason });
}

/** A file with one wrong row. */
function row(name: string, value: unknown, problem: string): void {
  file(name, value, problem.replace(":", " is wrong:"));
}

/** Line 2 of three, the others being right. */
function line(name: string, text: string, problem: string): void {
  row(name, `${GOOD}\n${text}\n${GOOD}`, `line 2: ${problem}`);
}

const UNKNOWN =
  "it is no question file of a known kind: JSON Lines, VQAv2, TextVQA, GQA, POPE, ScienceQA, AI2D, MMBench, ChartQA, DocVQA or MME";

file("an empty file", "", "it holds no question");
file("blank lines", "\n \r\n", "it holds no question");
file("a byte-order mark alone", "\uFEFF", "it holds no question");
file("prose", "what color is the cat?", UNKNOWN);
file("a number", "3", UNKNOWN);
file("an empty list", [], UNKNOWN);
file("an empty object", {}, UNKNOWN);
file("a list of texts", ["a", "b"], UNKNOWN);
file("another JSON file", { model_type: "llava" }, UNKNOWN);
file(
  "JSON that breaks off",
  '{"data": [',
  "it is not JSON: Unexpected end of JSON input",
);

line(
  "a line that breaks off",
  '{"image": "a.png"',
  "it is not JSON: Expected ',' or '}' after property value in JSON at position 17 (line 1 column 18)",
);
line(
  "a line that is null",
  "null",
  "it must be a JSON object: current value is null",
);
line(
  "a line that is a list",
  "[1]",
  "it must be a JSON object: current value is [1]",
);
line(
  "a line that is a text",
  '"a"',
  'it must be a JSON object: current value is "a"',
);
const TEXT = "must be a non-empty string: current value is";
line("no image", '{"question": "q", "answer": "a"}', `"image" ${TEXT} missing`);
line(
  "no question",
  '{"image": "a", "answer": "a"}',
  `"question" ${TEXT} missing`,
);
line(
  "an empty question",
  '{"image": "a", "question": " ", "answer": "a"}',
  `"question" ${TEXT} " "`,
);
line(
  "no answer",
  '{"image": "a", "question": "q"}',
  `"answer" ${TEXT} missing`,
);
line(
  "a number for an answer",
  '{"image": "a", "question": "q", "answer": 3}',
  `"answer" ${TEXT} 3`,
);
line(
  "an answer that is null",
  '{"image": "a", "question": "q", "answer": null}',
  `"answer" ${TEXT} missing`,
);
line(
  "no answers",
  '{"image": "a", "question": "q", "answers": []}',
  '"answers" must hold a string that is not empty: current value is []',
);
line(
  "answers that are no list",
  '{"image": "a", "question": "q", "answers": "no"}',
  '"answers" must be a list of strings: current value is "no"',
);
line(
  "an id that is a list",
  '{"id": [1], "image": "a", "question": "q", "answer": "a"}',
  '"id" must be a number or a non-empty string: current value is [1]',
);
line(
  "a single choice",
  '{"image": "a", "question": "q", "choices": ["x"], "answer": "A"}',
  '"choices" must hold 2 or more strings that are not empty: current value is ["x"]',
);
line(
  "a letter of no choice",
  '{"image": "a", "question": "q", "choices": ["x", "y"], "answer": "C"}',
  '"answer" must be a letter from A to B: current value is "C"',
);
line(
  "a choice's text for its letter",
  '{"image": "a", "question": "q", "choices": ["x", "y"], "answers": ["x"]}',
  '"answers" must be a letter from A to B: current value is "x"',
);
line(
  "an id that is taken",
  '{"id": 1, "image": "a", "question": "q", "answer": "a"}',
  'id "1" is also that of line 1',
);
line(
  "a long value",
  `{"image": "a", "question": "q", "answer": [${'"abcdefghi",'.repeat(9)}1]}`,
  `"answer" ${TEXT} ["abcdefghi","abcdefghi","abcdefghi","abcdefghi","abcdefg...`,
);

row(
  "POPE's label",
  '{"question_id": 1, "image": "a", "text": "q", "label": "maybe"}',
  'line 1: "label" must be "yes" or "no": current value is "maybe"',
);
row(
  "MME's answer",
  "a.jpg\tIs it?\tYes\nb.jpg\tIs it?\tPerhaps",
  'line 2: "answer" must be "yes" or "no": current value is "Perhaps"',
);
row(
  "MME without tabs",
  "a.jpg\tIs it?\tYes\nb.jpg Is it? Yes",
  `line 2: "question" ${TEXT} missing`,
);
const HEADER = "index\tquestion\tA\tB\tanswer\timage\n";
line(
  "answers that are all empty",
  '{"image": "a", "question": "q", "answers": ["", " "]}',
  '"answers" must hold a string that is not empty: current value is [""," "]',
);
line(
  "choices of which one is not empty",
  '{"image": "a", "question": "q", "choices": ["x", null, ""], "answer": "A"}',
  '"choices" must hold 2 or more strings that are not empty: current value is ["x",null,""]',
);
line(
  "the letter of an empty choice",
  '{"image": "a", "question": "q", "choices": ["x", "", "z"], "answer": "B"}',
  '"answer" must be A or C: current value is "B"',
);
row(
  "MMBench's answer in an empty column",
  "index\tquestion\tA\tB\tC\tD\tanswer\timage\n1\tq\tx\t\ty\tz\tB\tAAAA",
  'line 2: "answer" must be A, C or D: current value is "B"',
);
file("MMBench without rows", HEADER, "it holds no question");
row(
  "MMBench's image",
  `${HEADER}1\tq\tx\ty\tA\t###`,
  'line 2: "image" must be base64, or the index of a row whose image is: current value is "###"',
);
row(
  "MMBench's image of another row",
  `${HEADER}1\tq\tx\ty\tA\t7`,
  'line 2: "image" must be base64, or the index of a row whose image is: current value is "7"',
);
row(
  "MMBench's answer after a cell of two lines",
  `${HEADER}1\t"q\nq"\tx\ty\tA\tAAAA\n2\tq\tx\ty\tE\tAAAA`,
  'line 4: "answer" must be a letter from A to B: current value is "E"',
);
row(
  "MMBench's second choice",
  `${HEADER}1\tq\tx\t\tA\tAAAA`,
  'line 2: "B" must be a choice as a question has 2 or more: current value is missing',
);
file(
  "MMBench's quotation mark",
  `${HEADER}1\t"q\tx\ty\tA\tAAAA`,
  "line 2 opens a quotation mark that does not close at the end of a cell",
);
row(
  "GQA's answer",
  { "20": { imageId: "1", question: "q", answer: "" } },
  `item "20": "answer" ${TEXT} ""`,
);
row(
  "TextVQA's answers",
  { data: [{ question_id: 1, image_id: "a", question: "q" }] },
  'item 1: "answers" must be a list of strings: current value is missing',
);
row(
  "DocVQA's image",
  { data: [{ questionId: 1, question: "q", answers: ["a"] }] },
  `item 1: "image" ${TEXT} missing`,
);
row(
  "ChartQA's query",
  [{ imgname: "a", query: 1, label: "x" }],
  `item 1: "query" ${TEXT} 1`,
);
row(
  "AI2D's correct answer",
  {
    imageName: "0.png",
    questions: {
      "q": { questionId: "1", answerTexts: ["x", "y"], correctAnswer: 2 },
    },
  },
  'item "q": "correctAnswer" must be an integer in [0, 1]: current value is 2',
);
const PROBLEM = {
  question: "q",
  choices: ["x", "y"],
  answer: 0,
  split: "test",
};
row(
  "ScienceQA's answer",
  { "1": { ...PROBLEM, answer: "A" } },
  'item "1": "answer" must be an integer in [0, 1]: current value is "A"',
);
row(
  "ScienceQA's problem without a split",
  { "1": PROBLEM, "2": { ...PROBLEM, split: null } },
  `item "2": "split" ${TEXT} missing`,
);
file(
  "ScienceQA with several splits",
  { "1": PROBLEM, "2": { ...PROBLEM, split: "train" } },
  "one of its splits must be named, test, train, as in problems.json#test: current value is missing",
);
CASES.push({
  name: "ScienceQA without that split",
  text: JSON.stringify({ "1": PROBLEM }),
  reason:
    "one of its splits must be named, test, as in problems.json#test: current value is val",
  options: { split: "val" },
});
file(
  "VQAv2 without annotations",
  { data_subtype: "val2014", questions: [] },
  "VQAv2 takes two files, one with its questions and one with its annotations",
);

for (const { name, text, reason, options } of CASES) {
  Deno.test(`parseDataset() refuses ${name}`, () => {
    const error = assertThrows(
      () => parseDataset([{ name: "q", text }], options),
      SyntaxError,
    );
    assertEquals(error.message, `Cannot read q as ${reason}`);
  });
}

Deno.test("parseDataset() lists the first twenty wrong rows", () => {
  const lines = Array.from({ length: 23 }, (_, i) => i === 1 ? GOOD : "null");
  const { message } = assertThrows(
    () => parseDataset([{ name: "q", text: lines.join("\n") }]),
    SyntaxError,
  );
  const said = message.split("\n");
  assertEquals(said[0], "Cannot read q as 22 rows are wrong:");
  assertEquals(said.length, 22);
  assertEquals(
    said[20],
    "line 21: it must be a JSON object: current value is null",
  );
  assertEquals(said[21], "and 2 more");
});

Deno.test("parseDataset() names questions and annotations of VQAv2 that miss each other", () => {
  const questions = [1, 2].map((id) => ({
    image_id: id,
    question: "q",
    question_id: id,
  }));
  const annotations = [2, 3].map((id) => ({
    question_id: id,
    answers: [{ answer: "a" }],
  }));
  const { message } = assertThrows(
    () =>
      parseDataset([
        {
          name: "q",
          text: JSON.stringify({ data_subtype: "val2014", questions }),
        },
        { name: "a", text: JSON.stringify({ annotations }) },
      ]),
    SyntaxError,
  );
  assertEquals(
    message,
    `Cannot read q and a as 2 rows are wrong:
item 1: "question_id" must have an annotation: current value is 1
annotation 2: "question_id" must be that of a question: current value is 3`,
  );
});

Deno.test("parseDataset() names what is wrong with several files", () => {
  const parse = (...texts: string[]) =>
    parseDataset(texts.map((text, i) => ({ name: `f${i}`, text })));
  assertThrows(
    () => parse("{}", "{"),
    SyntaxError,
    "Cannot read f0 and f1 as f1 is not JSON: ",
  );
  assertThrows(
    () => parse("{}", "{}"),
    SyntaxError,
    "Cannot read f0 and f1 as several files must be VQAv2's questions and annotations, or AI2D's",
  );
  assertThrows(
    () =>
      parse('{"questions": []}', '{"annotations": []}', '{"questions": []}'),
    SyntaxError,
    "Cannot read f0 and f1 and f2 as VQAv2 takes two files, one with its questions and one with its annotations",
  );
  assertThrows(
    () => parse('{"questions": []}', '{"annotations": []}'),
    SyntaxError,
    `Cannot read f0 and f1 as "data_subtype" must name the images' subset`,
  );
});
