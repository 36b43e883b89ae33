// The language of chat templates against Jinja itself, in the environment that
// transformers renders them in: fixture from make_jinja.py.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { strftime } from "../../io/jinja/functions.ts";
import { JinjaError, readJinja } from "../../io/jinja/template.ts";
import record from "../fixtures/jinja.json" with { type: "json" };

/** A template, and its text; null where Jinja refuses it. */
type Row = readonly [template: string, text: string | null];

/** Our text of a template; the message of the error where it is refused. */
function render(template: string): { text?: string; refused: string } {
  try {
    return { text: readJinja(template).render(record.variables), refused: "" };
  } catch (error) {
    if (!(error instanceof JinjaError)) throw error;
    assert(error.message !== "");
    return { refused: error.message };
  }
}

/**
 * Compares all rows: the same text, or an error. How many of Jinja's texts are
 * refused is returned; each of these errors says what is not supported.
 */
function compare(rows: readonly Row[]): string[] {
  const refused: string[] = [];
  for (const [template, text] of rows) {
    const ours = render(template);
    if (ours.refused === "") assertEquals(ours.text, text, template);
    else if (text !== null) {
      assert(
        ours.refused.endsWith(" is not supported"),
        `${template}: ${ours.refused}`,
      );
      refused.push(template);
    }
  }
  return refused;
}

/** Templates of each subject that Jinja renders and this interpreter refuses. */
const REFUSED: Readonly<Record<string, number>> = {
  "printing": 1,
  "escapes": 2,
  "arithmetic": 1,
  "is": 1,
  "attributes": 8,
  "string methods": 14,
  "formats": 6,
  "filters": 25,
  "control": 14,
};

const templates = record.templates as unknown as Record<string, Row[]>;
for (const [subject, rows] of Object.entries(templates)) {
  Deno.test(`readJinja() renders ${subject} as Jinja does`, () => {
    const refused = compare(rows);
    assertEquals(refused.length, REFUSED[subject] ?? 0, refused.join("\n"));
  });
}

Deno.test("readJinja() gives no other text than Jinja of random expressions", () => {
  const rows = record.random as unknown as Row[];
  const printed = rows.map(([text, value]) =>
    [`{{ ${text} }}`, value] as const
  );
  const refused = compare(printed);
  assert(refused.length < rows.length / 20, `${refused.length} are refused`);
});

Deno.test("readJinja() gives the same text as Jinja of random statements", () => {
  const rows = record.programs as unknown as Row[];
  const refused = compare(rows);
  // A macro is printed in some.
  assert(refused.length < rows.length / 50, `${refused.length} are refused`);
});

Deno.test("readJinja() ends templates that would not end, or fill the memory", () => {
  const endless = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ range(1000000000) }}",
    "{{ 'a' * 10 ** 9 }}",
    "{{ [1] * 10 ** 9 }}",
    "{{ 10 ** 1000000 }}",
    "{% set ns = namespace(a='aaaaaaaa') %}{% for i in range(99) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
    "{% set ns = namespace(a=[1]) %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ 'a'.replace('', 'b' * 900000).replace('b', 'c' * 900000) }}",
    "{{ (['a' * 99999] * 99999) | join }}",
    `{{ ${"(".repeat(100_000)}1${")".repeat(100_000)} }}`,
    "{{ 2.5 | round(100000) }}",
  ];
  for (const template of endless) {
    const { refused } = render(template);
    assert(
      /is not supported$|a range has more than/.test(refused),
      `${template.slice(0, 80)}: ${refused}`,
    );
  }
});

Deno.test("readJinja() keeps what it was given, and counts steps for each text", () => {
  const variables = { words: ["b", "a"], d: { k: [1] } };
  const before = structuredClone(variables);
  const { render } = readJinja(
    "{% for i in range(99999) %}{% endfor %}{{ words | sort }}{{ words }}{{ d }}",
  );
  for (let i = 0; i < 30; i++) {
    assertEquals(render(variables), "['a', 'b']['b', 'a']{'k': [1]}");
  }
  assertEquals(variables, before);
});

Deno.test("readJinja() has none of JavaScript's own names", () => {
  const text =
    "{{ constructor }}{{ d.constructor }}{{ d.__proto__ is defined }}";
  assertThrows(() => readJinja(text).render({ d: {} }), JinjaError);
  const names = ["constructor", "toString", "hasOwnProperty", "valueOf"];
  for (const name of names) {
    const { render } = readJinja(
      `{{ ${name} is defined }}{{ d.${name} is defined }}{{ s.${name} is defined }}{{ ns.${name} is defined }}`,
    );
    assertEquals(render({ d: {}, s: "", ns: [] }), "False".repeat(4));
    for (const kind of ["|", " is "]) {
      assertThrows(() => readJinja(`{{ s${kind}${name} }}`), JinjaError);
    }
  }
});

Deno.test("strftime_now() writes a time as Python does", () => {
  // As datetime(2026, 3, 7, 13, 5, 9).strftime(…) gives it.
  const time = new Date(2026, 2, 7, 13, 5, 9);
  assertEquals(
    strftime(time, "%d %b %Y|%A %a %B %m/%y|%H:%M:%S|%I%p|%%"),
    "07 Mar 2026|Saturday Sat March 03/26|13:05:09|01PM|%",
  );
  assertThrows(() => strftime(time, "%j"), JinjaError, '"%j" of strftime_now');
});
