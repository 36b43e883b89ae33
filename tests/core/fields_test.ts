import { assertEquals, assertThrows } from "@std/assert";
import { Fields } from "../../core/checkpoints/fields.ts";

/** Fields of an object, as errors about a file "f.json" name them. */
function fieldsOf(json: unknown): Fields {
  return new Fields(json, "f.json");
}

/** The call fails with exactly this message about field "x". */
function assertRefuses(
  call: (fields: Fields) => unknown,
  requirement: string,
  ...cases: [value: unknown, shown: string][]
): void {
  for (const [x, shown] of cases) {
    const error = assertThrows(() => call(fieldsOf({ x })), RangeError);
    assertEquals(
      error.message,
      `Cannot read f.json as x ${requirement}: current value is ${shown}`,
    );
  }
}

Deno.test("Fields gives the default when a field is missing or null", () => {
  for (const fields of [fieldsOf({}), fieldsOf({ x: null })]) {
    assertEquals(fields.integer("x", 7), 7);
    assertEquals(fields.multipleOf(3, "x", 6), 6);
    assertEquals(fields.positive("x", 0.5), 0.5);
    assertEquals(fields.numbers("x", 2, [1, 2]), [1, 2]);
    assertEquals(fields.side("x", 4), 4);
    assertEquals(fields.has("x"), false);
    assertEquals(fields.boolean("x", true), true);
    assertEquals(fields.oneOf("x", { a: 1, b: 2 }, "b"), 2);
    assertEquals(fields.record("x").integer("y", 3), 3);
    assertEquals(fields.get("x"), undefined);
  }
});

Deno.test("Fields gives what stands in the file", () => {
  assertEquals(fieldsOf({ x: 5 }).integer("x", 7), 5);
  assertEquals(fieldsOf({ x: 9 }).multipleOf(3, "x", 6), 9);
  assertEquals(fieldsOf({ x: 1e-6 }).positive("x", 1), 1e-6);
  assertEquals(fieldsOf({ x: [0, -1] }).numbers("x", 2, [1, 2]), [0, -1]);
  assertEquals(fieldsOf({ x: 14 }).side("x", 4), 14);
  assertEquals(fieldsOf({ x: [14, 14] }).side("x", 4), 14);
  assertEquals(fieldsOf({ x: 0 }).has("x"), true);
  assertEquals(fieldsOf({ x: ["a", "b"] }).firstOf("x", { a: 1, b: 2 }), 1);
  assertEquals(fieldsOf({ x: false }).boolean("x", true), false);
  assertEquals(fieldsOf({ x: "a" }).oneOf("x", { a: 1, b: 2 }, "b"), 1);
  assertEquals(fieldsOf({ x: { y: 4 } }).record("x").integer("y", 3), 4);
});

Deno.test("Fields.get() gives any value as it is", () => {
  for (const x of [0, "", false, [1], { y: 2 }]) {
    assertEquals(fieldsOf({ x }).get("x"), x);
  }
  assertEquals(fieldsOf({}).get("constructor"), undefined);
});

Deno.test("Fields.integer() requires a field without a default", () => {
  const error = assertThrows(() => fieldsOf({}).integer("x", undefined));
  assertEquals(
    (error as Error).message,
    "Cannot read f.json as x must be an integer >= 1: current value is missing",
  );
});

Deno.test("Fields.numbers() gives a copy", () => {
  const fallback = [1, 2];
  fieldsOf({}).numbers("x", 2, fallback)[0] = 9;
  assertEquals(fallback, [1, 2]);
});

Deno.test("Fields does not take inherited properties for fields", () => {
  assertEquals(fieldsOf({}).integer("constructor", 1), 1);
  assertRefuses(
    (fields) => fields.oneOf("x", { a: 1 }),
    'must be one of "a"',
    ["toString", '"toString"'],
  );
});

Deno.test("Fields says what a field must be and what it is", () => {
  assertRefuses(
    (fields) => fields.integer("x", 1),
    "must be an integer >= 1",
    [0, "0"],
    [1.5, "1.5"],
    ["1", '"1"'],
    [[1], "[1]"],
    [true, "true"],
  );
  assertRefuses(
    (fields) => fields.integer("x", 1),
    "must be an integer in [1, 2147483648]",
    [2 ** 40, "1099511627776"],
    [Infinity, "Infinity"],
  );
  assertRefuses(
    (fields) => fields.integer("x", 0, -3, 2),
    "must be an integer in [-3, 2]",
    [-4, "-4"],
    [3, "3"],
  );
  assertRefuses(
    (fields) => fields.multipleOf(4, "x", 4),
    "must be a multiple of 4",
    [6, "6"],
  );
  assertRefuses(
    (fields) => fields.positive("x", 1),
    "must be a positive number",
    [0, "0"],
    [-1, "-1"],
    ["1", '"1"'],
  );
  assertRefuses(
    (fields) => fields.numbers("x", 2, [1, 2]),
    "must be 2 numbers",
    [[1], "[1]"],
    [[1, 2, 3], "[1,2,3]"],
    [[1, "2"], '[1,"2"]'],
    [[1, null], "[1,null]"],
    [3, "3"],
  );
  assertRefuses(
    (fields) => fields.side("x", 1),
    "must be an integer >= 1, or two equal",
    [[1, 2], "[1,2]"],
    [[0, 0], "[0,0]"],
    [[1.5, 1.5], "[1.5,1.5]"],
  );
  assertRefuses(
    (fields) => fields.firstOf("x", { a: 1 }),
    'must be one of "a"',
    [["b", "a"], '"b"'],
    [[], "missing"],
    [["constructor"], '"constructor"'],
  );
  assertRefuses((fields) => fields.positive("x"), "must be a positive number", [
    null,
    "missing",
  ]);
  assertRefuses((fields) => fields.numbers("x", 1), "must be 1 numbers", [
    null,
    "missing",
  ]);
  assertRefuses(
    (fields) => fields.boolean("x", true),
    "must be true or false",
    [1, "1"],
    ["true", '"true"'],
  );
  assertRefuses(
    (fields) => fields.oneOf("x", { a: 1, b: 2 }),
    'must be one of "a", "b"',
    ["c", '"c"'],
    [1, "1"],
    [null, "missing"],
    [undefined, "missing"],
  );
});

Deno.test("Fields cuts long values in messages to 80 characters", () => {
  const error = assertThrows(() =>
    fieldsOf({ x: "y".repeat(100) }).integer("x", 1)
  ) as RangeError;
  assertEquals(error.message.split("current value is ")[1].length, 80);
  assertEquals(error.message.endsWith('is "' + "y".repeat(76) + "..."), true);
});

Deno.test("Fields names nested fields by their path", () => {
  const fields = fieldsOf({ a: { b: { c: 0 } } });
  assertThrows(
    () => fields.record("a").record("b").integer("c", 1),
    RangeError,
    "Cannot read f.json as a.b.c must be an integer >= 1: current value is 0",
  );
});

Deno.test("Fields refuses what is not an object", () => {
  for (const [json, shown] of [[null, "null"], [[], "[]"], ["a", '"a"']]) {
    const error = assertThrows(() => fieldsOf(json), TypeError);
    assertEquals(
      error.message,
      `Cannot read f.json as it must be a JSON object: current value is ${shown}`,
    );
  }
  const error = assertThrows(
    () => fieldsOf({ a: { b: 3 } }).record("a").record("b"),
    TypeError,
  );
  assertEquals(
    error.message,
    "Cannot read f.json as a.b must be a JSON object: current value is 3",
  );
});
