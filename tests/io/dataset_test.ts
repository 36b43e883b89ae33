// Question files: a small example of every layout, made by hand.

import { assertEquals } from "@std/assert";
import {
  type Dataset,
  type DatasetFormat,
  type DatasetOptions,
  parseDataset,
  type Question,
} from "../../io/mod.ts";

const LINE = '{"image": "a.png", "question": "is it red ?", "answer": "no"}';
const QUESTION: Question = {
  id: "1",
  image: "a.png",
  question: "is it red ?",
  answers: ["no"],
};

function parse(text: string, options?: DatasetOptions): Dataset {
  return parseDataset([{ name: "q", text }], options);
}

/** Checks that a file is read as what it is. */
function checkFile(
  value: unknown,
  format: DatasetFormat,
  questions: readonly Question[],
  options?: DatasetOptions,
): void {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  assertEquals(parse(text, options), { format, questions });
  if (typeof value === "string") return;
  // However the file is laid out.
  const pretty = JSON.stringify(value, null, 2);
  assertEquals(parse(pretty, options), { format, questions });
}

Deno.test("parseDataset() reads our own JSON Lines", () => {
  const lines = [
    LINE,
    "",
    '{"id": 7, "image": "b.png", "question": "how many?", "answers": ["2", "two"], "kind": "count"}',
    '{"id": "x", "image": "b.png", "question": "which?", "choices": ["cat", "dog"], "answer": "b"}',
    '{"image": "c.png", "question": "which?", "choices": ["cat", "dog"], "answers": ["A"]}',
  ];
  const questions = [
    QUESTION,
    { id: "7", image: "b.png", question: "how many?", answers: ["2", "two"] },
    {
      id: "x",
      image: "b.png",
      question: "which?",
      answers: ["B"],
      choices: ["cat", "dog"],
    },
    {
      id: "5",
      image: "c.png",
      question: "which?",
      answers: ["A"],
      choices: ["cat", "dog"],
    },
  ];
  for (const lineBreak of ["\n", "\r\n"]) {
    checkFile(lines.join(lineBreak), "jsonl", questions);
    checkFile(`\uFEFF${lines.join(lineBreak)}${lineBreak}`, "jsonl", questions);
  }
});

Deno.test("parseDataset() reads a single line", () => {
  checkFile(LINE, "jsonl", [QUESTION]);
});

Deno.test("parseDataset() reads VQAv2's questions and annotations, in any order", () => {
  const questions = {
    name: "questions.json",
    text: JSON.stringify({
      data_subtype: "val2014",
      questions: [
        { image_id: 262148, question: "Where is he?", question_id: 262148000 },
        { image_id: 42, question: "Red?", question_id: 42001 },
      ],
    }),
  };
  const annotations = {
    name: "annotations.json",
    text: JSON.stringify({
      annotations: [
        {
          question_id: 42001,
          answers: [{ answer: "yes", answer_id: 1 }, { answer: "no" }],
        },
        { question_id: 262148000, answers: [{ answer: "at table" }] },
      ],
    }),
  };
  const expected: Dataset = {
    format: "vqa",
    questions: [
      {
        id: "262148000",
        image: "COCO_val2014_000000262148.jpg",
        question: "Where is he?",
        answers: ["at table"],
      },
      {
        id: "42001",
        image: "COCO_val2014_000000000042.jpg",
        question: "Red?",
        answers: ["yes", "no"],
      },
    ],
  };
  assertEquals(parseDataset([questions, annotations]), expected);
  assertEquals(parseDataset([annotations, questions]), expected);
});

Deno.test("parseDataset() reads TextVQA", () => {
  const data = [{
    question_id: 34602,
    image_id: "003a8ae2ef43b901",
    question: "what is the brand?",
    answers: ["dakota", "dakota digital"],
  }];
  checkFile({ dataset_type: "val", data }, "textvqa", [{
    id: "34602",
    image: "003a8ae2ef43b901.jpg",
    question: "what is the brand?",
    answers: ["dakota", "dakota digital"],
  }]);
});

Deno.test("parseDataset() reads GQA", () => {
  checkFile(
    {
      "202": { imageId: "n161313", question: "Red?", answer: "no" },
      "201": {
        imageId: "2354786",
        question: "What?",
        answer: "cat",
        types: {},
      },
    },
    "gqa",
    [
      { id: "201", image: "2354786.jpg", question: "What?", answers: ["cat"] },
      { id: "202", image: "n161313.jpg", question: "Red?", answers: ["no"] },
    ],
  );
});

Deno.test("parseDataset() reads POPE", () => {
  const line =
    '{"question_id": 1, "image": "COCO_1.jpg", "text": "Is there a cat?", "label": "yes"}';
  const question = {
    id: "1",
    image: "COCO_1.jpg",
    question: "Is there a cat?",
    answers: ["yes"],
  };
  checkFile(line, "pope", [question]);
  checkFile(
    `${line}\n${line.replace("1,", "2,").replace('"yes"', '"No"')}\n`,
    "pope",
    [question, { ...question, id: "2", answers: ["no"] }],
  );
});

Deno.test("parseDataset() reads a split of ScienceQA", () => {
  const problem = {
    question: "Which?",
    choices: ["x", "y", "z"],
    answer: 2,
    hint: "",
    image: "image.png",
    split: "test",
  };
  const problems = {
    "1": { ...problem, split: "train" },
    "4": problem,
    "5": { ...problem, answer: 0, hint: "Look.", image: null },
  };
  const choices = ["x", "y", "z"];
  checkFile(problems, "scienceqa", [
    {
      id: "4",
      image: "test/4/image.png",
      question: "Which?",
      answers: ["C"],
      choices,
    },
    {
      id: "5",
      image: null,
      question: "Look.\nWhich?",
      answers: ["A"],
      choices,
    },
  ], { split: "test" });
  // The only one need not be named.
  assertEquals(parse(JSON.stringify({ "4": problem })).questions.length, 1);
});

Deno.test("parseDataset() reads AI2D, one file or several", () => {
  const file = (image: string) => ({
    imageName: image,
    questions: {
      "What is at A?": {
        abcLabel: false,
        answerTexts: ["leaf", "root", "stem", "sun"],
        correctAnswer: 1,
        questionId: `${image}-0`,
      },
    },
  });
  const question = (image: string) => ({
    id: `${image}-0`,
    image,
    question: "What is at A?",
    answers: ["B"],
    choices: ["leaf", "root", "stem", "sun"],
  });
  checkFile(file("0.png"), "ai2d", [question("0.png")]);
  const files = ["0.png", "1.png"].map((name) => ({
    name,
    text: JSON.stringify(file(name)),
  }));
  assertEquals(parseDataset(files), {
    format: "ai2d",
    questions: [question("0.png"), question("1.png")],
  });
});

Deno.test("parseDataset() reads MMBench with images in base64", () => {
  const table = [
    "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage",
    "241\tWhich?\t\tcat\tdog\t\t\tB\tx\t/9j/4AA=",
    '242\t"Say ""which""?"\t"two\nlines\there"\tcat\tdog\tcow\tyak\tD\tx\t241',
    "",
    "243\tWhat?\t\tcat\tdog\tcow\tyak\ta\tx\tiVBORw0K",
  ];
  const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0);
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a);
  const choices = ["cat", "dog", "cow", "yak"];
  for (const text of [table.join("\n"), table.join("\r\n") + "\r\n"]) {
    checkFile(text.replace("two\r\n", "two\n"), "mmbench", [
      {
        id: "241",
        image: jpeg,
        question: "Which?",
        answers: ["B"],
        choices: ["cat", "dog"],
      },
      {
        id: "242",
        image: jpeg,
        question: 'two\nlines\there\nSay "which"?',
        answers: ["D"],
        choices,
      },
      { id: "243", image: png, question: "What?", answers: ["A"], choices },
    ]);
  }
});

Deno.test("parseDataset() lets rows of MMBench share the bytes of an image", () => {
  const { questions } = parse(
    "index\tquestion\tA\tB\tanswer\timage\n1\ta?\tx\ty\tA\tAAAA\n2\tb?\tx\ty\tA\t1\n",
  );
  assertEquals(questions[0].image === questions[1].image, true);
});

Deno.test("parseDataset() reads MMBench with eight choices", () => {
  const letters = [..."ABCDEFGH"];
  const { questions: [{ choices, answers }] } = parse(
    `index\tquestion\t${letters.join("\t")}\tanswer\timage\n1\tw?\t${
      letters.map((letter) => letter.toLowerCase()).join("\t")
    }\tH\tAAAA`,
  );
  assertEquals(choices, [..."abcdefgh"]);
  assertEquals(answers, ["H"]);
});

Deno.test("parseDataset() gives choices the letters of their columns", () => {
  const header = "index\tquestion\thint\tA\tB\tC\tD\tanswer\timage";
  const rows: [cells: string, choices: string[], letter: string][] = [
    ["x\ty\t\tz\tA", ["x", "y", "", "z"], "A"],
    ["x\ty\t\tz\tD", ["x", "y", "", "z"], "D"],
    ["x\t\tnan\tz\td", ["x", "", "", "z"], "D"],
    ["\tx\tNaN\tz\tB", ["", "x", "", "z"], "B"],
    ["x\ty\t \t\tB", ["x", "y"], "B"],
    // Words of choices, and numbers.
    ["None\tN/A\tnull\t\tC", ["None", "N/A", "null"], "C"],
    ["1\t1.0\t\t0\tD", ["1", "1.0", "", "0"], "D"],
    ['"nan"\t"a\tb"\tc\t""\tC', ["", "a\tb", "c"], "C"],
  ];
  const headers = [
    header,
    header.toLowerCase(),
    header.replace("index", "Index").replace("question", '"Question"'),
  ];
  for (const columns of headers) {
    const { format, questions } = parse([
      columns,
      ...rows.map(([cells], i) => `${i}\tq?\tnan\t${cells}\tAAAA`),
    ].join("\n"));
    assertEquals(format, "mmbench");
    questions.forEach(({ question, choices, answers }, i) => {
      assertEquals(question, "q?");
      assertEquals([choices, answers], [rows[i][1], [rows[i][2]]]);
    });
  }
});

Deno.test("parseDataset() reads rows of MMBench with fewer cells than columns", () => {
  const { questions: [question] } = parse(
    "index\tquestion\tanswer\timage\tA\tB\tC\tD\n1\tq?\tC\tAAAA\tx\t\tz\n",
  );
  assertEquals(question.choices, ["x", "", "z"]);
});

Deno.test("parseDataset() reads lists of choices with empty places", () => {
  const rows = parse(
    '{"image": "a", "question": "q", "choices": ["x", null, "z"], "answer": "C"}',
  );
  assertEquals(rows.questions[0].choices, ["x", "", "z"]);
  assertEquals(rows.questions[0].answers, ["C"]);
  const ai2d = parse(JSON.stringify({
    imageName: "0.png",
    questions: {
      "q?": {
        answerTexts: ["", "root", "stem", "sun"],
        correctAnswer: 3,
        questionId: "0",
      },
    },
  }));
  assertEquals(ai2d.questions[0].choices, ["", "root", "stem", "sun"]);
  assertEquals(ai2d.questions[0].answers, ["D"]);
});

Deno.test("parseDataset() keeps empty answers of people", () => {
  const answers = ["", "red", "", "blue"];
  const files: unknown[] = [
    {
      data: [{
        question_id: 1,
        image_id: "a",
        question: "q",
        answers: answers,
      }],
    },
    { data: [{ questionId: 1, image: "a", question: "q", answers }] },
    { image: "a", question: "q", answers },
  ];
  for (const file of files) {
    assertEquals(
      parse(JSON.stringify(file)).questions[0].answers,
      answers,
      JSON.stringify(file),
    );
  }
  const vqa = parseDataset([
    {
      name: "questions",
      text: JSON.stringify({
        data_subtype: "val2014",
        questions: [{ image_id: 1, question: "q", question_id: 2 }],
      }),
    },
    {
      name: "annotations",
      text: JSON.stringify({
        annotations: [{
          question_id: 2,
          answers: answers.map((answer) => ({ answer })),
        }],
      }),
    },
  ]);
  assertEquals(vqa.questions[0].answers, answers);
});

Deno.test("parseDataset() reads ChartQA", () => {
  checkFile(
    [
      { imgname: "1.png", query: "How many?", label: "14" },
      { imgname: "1.png", query: "Sum?", label: 0.5 },
    ],
    "chartqa",
    [
      { id: "1", image: "1.png", question: "How many?", answers: ["14"] },
      { id: "2", image: "1.png", question: "Sum?", answers: ["0.5"] },
    ],
  );
});

Deno.test("parseDataset() reads DocVQA", () => {
  const data = [{
    questionId: 337,
    question: "what is the date?",
    image: "documents/xnbl0037_1.png",
    docId: 279,
    answers: ["1/8/93", "1/8/1993"],
  }];
  checkFile({ dataset_name: "docvqa", data }, "docvqa", [{
    id: "337",
    image: "documents/xnbl0037_1.png",
    question: "what is the date?",
    answers: ["1/8/93", "1/8/1993"],
  }]);
});

Deno.test("parseDataset() reads MME, with a column of predictions or without", () => {
  checkFile(
    "a.jpg\tIs it a cat?\tYes\na.jpg\tIs it a dog?\tNo\tyes\r\n",
    "mme",
    [
      { id: "1", image: "a.jpg", question: "Is it a cat?", answers: ["yes"] },
      { id: "2", image: "a.jpg", question: "Is it a dog?", answers: ["no"] },
    ],
  );
});
