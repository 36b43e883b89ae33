// Mistakes that the type check has to find: where it does not, an expected error
// is missing, and the check of this file fails.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("comparisons with a value of another type do not pass the type check", () => {
  // @ts-expect-error Text is no number.
  assertThrows(() => assertEquals<number>(1, "1"));
  // @ts-expect-error The type of the first value holds for the second.
  assertThrows(() => assertEquals(1, "1"));
  // @ts-expect-error A field is missing.
  assertThrows(() => assertEquals<{ a: number }>({ a: 1 }, {}));
  // @ts-expect-error A pattern is no text.
  assertThrows(() => assertMatch("ab", "a."), TypeError);
});

Deno.test("assertions tell the type check what they found", async () => {
  const value = [1, "two"][1];
  assert(typeof value === "string");
  assertEquals(value.length, 3);
  const error = assertThrows(() => {
    throw new AggregateError([1]);
  }, AggregateError);
  assertEquals(error.errors.length, 1);
  // @ts-expect-error What no promise is cannot be rejected.
  await assertRejects(() => 1).catch(() => {});
});

Deno.test("options of the command line have the types of their kinds", () => {
  const options = {
    string: ["name", "count"],
    boolean: ["quick"],
    collect: ["name"],
    default: { count: "3" },
  } as const;
  const values = parseArgs(["--quick", "--name", "a", "7"], options);
  assertEquals<boolean>(values.quick, true);
  assertEquals<readonly string[]>(values.name, ["a"]);
  assertEquals<string>(values.count, "3");
  assertEquals<readonly (string | number)[]>(values._, [7]);
  // @ts-expect-error There is no such option.
  assertEquals(values.slow, undefined);
  // @ts-expect-error It may not be given.
  assertThrows(() => parseArgs([], { string: ["name"] }).name.length);
});
