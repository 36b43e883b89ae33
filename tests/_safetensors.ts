// Builds safetensors bytes from nothing but the format's description, so that
// the reader is tested against something it did not write itself.

/** 8 bytes of length, the header as given, the data as given. */
export function safetensorsBytes(
  header: string | Uint8Array,
  data: Uint8Array = new Uint8Array(),
): Uint8Array {
  const json = typeof header === "string"
    ? new TextEncoder().encode(header)
    : header;
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

/** A file of F32 tensors, one after the other in the order given. */
export function float32File(
  tensors: Readonly<Record<string, { shape: number[]; values: number[] }>>,
): Uint8Array {
  let begin = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const end = begin + 4 * values.length;
    header[name] = { dtype: "F32", shape, data_offsets: [begin, end] };
    begin = end;
  }
  const all = Object.values(tensors).flatMap(({ values }) => values);
  return safetensorsBytes(
    JSON.stringify(header),
    new Uint8Array(Float32Array.from(all).buffer),
  );
}
