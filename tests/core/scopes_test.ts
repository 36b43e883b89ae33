import { assertEquals, assertThrows } from "@std/assert";
import { Scopes } from "../../core/scopes.ts";

class Thing {
  constructor(readonly name: string) {}
}

/** Scopes, and the names of what they have freed. */
function start() {
  const freed: string[] = [];
  const scopes = new Scopes<Thing>(
    (value) => value instanceof Thing,
    ({ name }) => freed.push(name),
  );
  const make = (name: string): Thing => {
    const thing = new Thing(name);
    scopes.add(thing);
    return thing;
  };
  return { scopes, make, freed };
}

Deno.test("a scope frees what was made in it but what its result holds, at any depth", () => {
  const { scopes, make, freed } = start();
  const outside = make("outside");
  const result = scopes.run(() => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map(make);
    assertEquals([b.name, d.name], ["b", "d"]);
    return { a, deeper: [{ c }], outside, bytes: new Uint8Array(3), n: null };
  });
  assertEquals(freed, ["b", "d"]);
  assertEquals(result.a.name, "a");
});

Deno.test("what a scope keeps goes to the scope around it", () => {
  const { scopes, make, freed } = start();
  scopes.run(() => {
    scopes.run(() => [make("kept"), make("kept too")]);
    assertEquals(freed, []);
  });
  assertEquals(freed, ["kept", "kept too"]);
});

Deno.test("a scope that throws frees everything that was made in it", () => {
  const { scopes, make, freed } = start();
  assertThrows(
    () =>
      scopes.run(() => {
        make("a");
        throw new RangeError("no");
      }),
    RangeError,
    "no",
  );
  assertEquals(freed, ["a"]);
  make("later");
  scopes.run(() => {});
  assertEquals(freed, ["a"]);
});
