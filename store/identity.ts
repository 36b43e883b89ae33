/** Canonical texts of plain values, and hashes that identify them. */

/**
 * Writes a value as JSON with sorted keys in every object, so that equal values
 * have equal texts. Fields that are undefined are left out.
 *
 * @param value The value.
 * @param label The name of the value in error messages.
 * @returns The text.
 * @throws {RangeError} If a part of the value is not JSON, such as NaN.
 */
export function canonicalJson(value: unknown, label: string): string {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value)) return JSON.stringify(value);
      break;
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "object":
      return value === null
        ? "null"
        : Array.isArray(value)
        ? `[${
          value.map((item, i) => canonicalJson(item, `${label}[${i}]`)).join()
        }]`
        : `{${fields(value as Record<string, unknown>, label).join()}}`;
  }
  throw new RangeError(
    `Cannot store ${label} as it must be JSON: current value is ${
      String(value)
    }`,
  );
}

function fields(value: Record<string, unknown>, label: string): string[] {
  return Object.keys(value).sort().flatMap((key) =>
    value[key] === undefined
      ? []
      : `${JSON.stringify(key)}:${canonicalJson(value[key], `${label}.${key}`)}`
  );
}

/**
 * The hash that identifies a text, or bytes.
 *
 * @param content The text, taken as UTF-8, or the bytes.
 * @returns Its SHA-256, 64 hexadecimal digits.
 */
export async function hashOf(
  content: string | Uint8Array<ArrayBuffer>,
): Promise<string> {
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/**
 * The first field in which two values differ, in the order of their keys.
 *
 * @param a A value that is JSON.
 * @param b Another.
 * @param label The prefix of the field's name.
 * @returns The field and its two values as JSON; null if the values are equal.
 */
export function firstDifference(
  a: unknown,
  b: unknown,
  label: string,
): { readonly field: string; readonly a: string; readonly b: string } | null {
  if (isObject(a) && isObject(b)) {
    for (const key of [...new Set([...Object.keys(a), ...Object.keys(b)])]) {
      const field = label === "" ? key : `${label}.${key}`;
      const found = firstDifference(a[key], b[key], field);
      if (found !== null) return found;
    }
    return null;
  }
  const [left, right] = [a, b].map((value) =>
    value === undefined ? "nothing" : canonicalJson(value, label)
  );
  return left === right ? null : { field: label, a: left, b: right };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
