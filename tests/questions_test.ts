import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseQuestions, readQuestions } from "../io/questions.ts";

const LINE = '{"image": "a.png", "question": "is it red ?", "answer": "no"}';
const QUESTION = { image: "a.png", question: "is it red ?", answer: "no" };

Deno.test("parseQuestions() reads one question per line", () => {
  assertEquals(
    parseQuestions(
      `${LINE}\r\n\n{"image":"b","question":"q","answer":"1","kind":"count"}\n`,
      "q.jsonl",
    ),
    [QUESTION, { image: "b", question: "q", answer: "1" }],
  );
});

Deno.test("parseQuestions() names file, line and field when a line is malformed", () => {
  const field = (name: string, value: string) =>
    `Cannot read q.jsonl, line 2, as "${name}" must be a non-empty string: current value is ${value}`;
  const cases: [line: string, message: string][] = [
    ["{", "Cannot read q.jsonl, line 2, as it is not JSON: "],
    ["null", field("image", "missing")],
    ["[]", field("image", "missing")],
    ['"text"', field("image", "missing")],
    ['{"image": "a", "answer": "b"}', field("question", "missing")],
    ['{"image": "a", "question": "", "answer": "b"}', field("question", '""')],
    ['{"image": "a", "question": "q", "answer": 3}', field("answer", "3")],
  ];
  for (const [line, message] of cases) {
    assertThrows(
      () => parseQuestions(`${LINE}\n${line}\n${LINE}`, "q.jsonl"),
      SyntaxError,
      message,
    );
  }
});

Deno.test("parseQuestions() refuses a file without questions", () => {
  assertThrows(
    () => parseQuestions("\n \n", "q.jsonl"),
    SyntaxError,
    "Cannot read q.jsonl as it holds no question",
  );
});

Deno.test("readQuestions() finds images relative to the file", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/q.jsonl`;
    await Deno.writeTextFile(
      path,
      `${LINE}\n${LINE.replace("a.png", "/data/b.png")}\n`,
    );
    assertEquals(await readQuestions(path), [
      { ...QUESTION, image: `${directory}/a.png` },
      { ...QUESTION, image: "/data/b.png" },
    ]);
    await assertRejects(
      () => readQuestions(`${directory}/none.jsonl`),
      Error,
      `Cannot read ${directory}/none.jsonl as there is no such file`,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
