// The orientation of an image file, and turning its pixels upright. A file may
// state it in several places. This module reads the places that Pillow's
// `exif_transpose` reads (Pillow 13), with the same precedence.

import type { RgbImage } from "../core/images/image.ts";

/** The metadata of an image. */
interface Metadata {
  /** EXIF data. */
  exif?: Uint8Array;
  /** XMP data: XML, with one character for each byte or character. */
  xmp?: string;
}

/** The formats that images may have. */
export type ImageFormat = "JPEG" | "PNG" | "WebP" | "GIF";

/**
 * The EXIF orientation of an image file, from 1 (upright) to 8.
 *
 * EXIF data with an orientation take precedence over XMP data. They may be
 *
 * - in a JPEG's APP1 segments before the pixels: EXIF data may span several
 *   segments, and the last XMP data count;
 * - anywhere in a PNG, where the last of each kind counts: EXIF data in a chunk
 *   eXIf, in a text "exif", and, if there is neither, in hexadecimal in a text
 *   "Raw profile type exif"; XMP data in a text "XML:com.adobe.xmp". Texts are
 *   chunks tEXt, zTXt and iTXt; compressed data must fill their chunk. In an
 *   animated PNG nothing after the first picture is read;
 * - in a WebP's chunks EXIF and XMP, if its header announces them.
 *
 * A GIF has no orientation. Pillow refuses most pictures with broken metadata;
 * here they count as upright.
 */
export async function readOrientation(
  bytes: Uint8Array,
  format: ImageFormat,
): Promise<number> {
  const { exif, xmp } = await readMetadata(bytes, format);
  const orientation = (exif && exifOrientation(exif)) ?? xmpOrientation(xmp);
  return [2, 3, 4, 5, 6, 7, 8].includes(orientation) ? orientation : 1;
}

async function readMetadata(
  bytes: Uint8Array,
  format: ImageFormat,
): Promise<Metadata> {
  switch (format) {
    case "JPEG":
      return jpegMetadata(bytes);
    case "PNG":
      return await pngMetadata(bytes);
    case "WebP":
      return webpMetadata(bytes);
    case "GIF":
      return {};
  }
}

/**
 * An image file in pieces, without the EXIF data by which a browser would turn
 * the picture. Browsers differ in the EXIF data that they read.
 */
export function withoutExif(
  bytes: Uint8Array,
  format: ImageFormat,
): Uint8Array[] {
  if (format === "WebP") {
    const copy = bytes.slice();
    if (latin1(copy.subarray(12, 16)) === "VP8X") copy[20] &= ~EXIF_FLAG;
    return [copy];
  }
  const found = format === "JPEG"
    ? [...jpegSegments(bytes)].filter(({ type }) => type === "e1")
    : format === "PNG"
    ? [...pngChunks(bytes)].filter(({ type }) => type === "eXIf")
    : [];
  const cuts = [0, ...found.flatMap(({ start, end }) => [start, end])];
  return cuts.flatMap((at, i) =>
    i % 2 === 0 ? [bytes.subarray(at, cuts[i + 1])] : []
  );
}

/** A part of a file. */
interface Part {
  readonly type: string;
  /** Its first byte in the file, and the byte after it. */
  readonly start: number;
  readonly end: number;
  readonly data: Uint8Array;
}

/** One character for each byte. */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Segments of a JPEG before its pixels, by the second byte of their marker. */
function* jpegSegments(bytes: Uint8Array): Generator<Part> {
  const view = viewOf(bytes);
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) {
      at++;
      continue;
    }
    const start = at;
    while (bytes[at] === 0xff) at++;
    const marker = bytes[at++];
    // Markers without a length, and bytes that are no marker.
    if (
      marker === 0 || marker === 0xc8 || marker >= 0xd0 && marker <= 0xd9 ||
      marker >= 0xf0 && marker <= 0xfd
    ) continue;
    if (marker === 0xda || at + 2 > bytes.length) return; // the pixels
    const end = at + view.getUint16(at);
    const data = bytes.subarray(at + 2, end);
    yield { type: marker.toString(16), start, end, data };
    at = Math.max(end, at + 2);
  }
}

const EXIF_START = "Exif\0\0";
const XMP_START = "http://ns.adobe.com/xap/1.0/\0";

function jpegMetadata(bytes: Uint8Array): Metadata {
  const pieces: Uint8Array[] = [];
  let xmp: string | undefined;
  for (const { type, data } of jpegSegments(bytes)) {
    if (type !== "e1") continue;
    const text = latin1(data);
    if (text.startsWith(EXIF_START)) pieces.push(data.subarray(6));
    if (text.startsWith(XMP_START)) xmp = text.slice(XMP_START.length);
  }
  return {
    ...pieces.length > 0 && { exif: joined(pieces) },
    ...xmp !== undefined && { xmp },
  };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const out = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** The whole chunks of a PNG. Checksums are ignored. */
function* pngChunks(bytes: Uint8Array): Generator<Part> {
  const view = viewOf(bytes);
  let start = 8;
  while (start + 8 <= bytes.length) {
    const length = view.getUint32(start);
    const type = latin1(bytes.subarray(start + 4, start + 8));
    const end = start + 12 + length;
    if (!/^\w{4}$/.test(type) || end - 4 > bytes.length) return;
    yield { type, start, end, data: bytes.subarray(start + 8, end - 4) };
    if (type === "IEND") return;
    start = end;
  }
}

/** Chunks of a PNG up to the second picture of an animation. */
function* firstPicture(bytes: Uint8Array): Generator<Part> {
  let frames = 0;
  let controls = 0;
  let hasPixels = false;
  for (const chunk of pngChunks(bytes)) {
    if (chunk.type === "IDAT" && !hasPixels) {
      hasPixels = true;
      // Pixels without a control chunk before them are no frame.
      if (frames > 0 && controls === 0) frames++;
    }
    if (chunk.type === "acTL" && !hasPixels && chunk.data.length >= 8) {
      const count = viewOf(chunk.data).getUint32(0);
      // A second one makes the animation invalid.
      frames = frames > 0 || count > 0x80000000 ? 0 : count;
    }
    if (chunk.type === "fcTL") {
      controls++;
      if (hasPixels && frames > 1) return;
    }
    yield chunk;
  }
}

const EXIF_TEXT = "exif";
const PROFILE_TEXT = "Raw profile type exif";
const XMP_TEXT = "XML:com.adobe.xmp";

async function pngMetadata(bytes: Uint8Array): Promise<Metadata> {
  let exif: Uint8Array | undefined;
  let profile: string | undefined;
  let xmp: string | undefined;
  // XMP data in other chunks count if there is no text of them.
  let xmpBytes: string | undefined;
  for (const { type, data } of firstPicture(bytes)) {
    if (type === "eXIf") exif = data;
    if (!["tEXt", "zTXt", "iTXt"].includes(type)) continue;
    const key = latin1(data.subarray(0, indexOf0(data, 0)));
    if (type === "tEXt" && key === EXIF_TEXT) {
      exif = data.subarray(key.length + 1);
    }
    if (key !== PROFILE_TEXT && key !== XMP_TEXT) continue;
    const text = await readText(type, data.subarray(key.length + 1));
    if (text === undefined) continue;
    if (key === PROFILE_TEXT && text.isValid) profile = text.text;
    if (key === XMP_TEXT) {
      if (text.isValid) xmp = text.text;
      if (type === "iTXt") xmpBytes = text.text;
    }
  }
  exif ??= profile === undefined ? undefined : readProfile(profile);
  xmp ||= xmpBytes;
  return { ...exif && { exif }, ...xmp !== undefined && { xmp } };
}

/** Where the next zero byte is, or the end. */
function indexOf0(data: Uint8Array, from: number): number {
  const at = data.indexOf(0, from);
  return at === -1 ? data.length : at;
}

/** A text of a PNG. */
interface PngText {
  /** Each byte as one character. */
  readonly text: string;
  /** Whether it is valid: iTXt must hold UTF-8. */
  readonly isValid: boolean;
}

/** The text of a chunk, after its key; undefined where it cannot be read. */
async function readText(
  type: string,
  value: Uint8Array,
): Promise<PngText | undefined> {
  if (type === "tEXt") return { text: latin1(value), isValid: true };
  if (type === "zTXt") {
    if (value.length > 0 && value[0] !== 0) return undefined;
    return { text: latin1(await inflate(value.subarray(1))), isValid: true };
  }
  // Compression and its method, language, translated key, text.
  const language = indexOf0(value, 2);
  const translated = indexOf0(value, language + 1);
  if (value.length < 2 || translated === value.length) return undefined;
  if (value[0] !== 0 && value[1] !== 0) return undefined;
  const written = value.subarray(translated + 1);
  const bytes = value[0] === 0 ? written : await inflate(written);
  const texts = [value.subarray(2, translated), bytes];
  return { text: latin1(bytes), isValid: texts.every(isUtf8) };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Bytes of metadata that are read at most. */
const MAX_TEXT = 2 ** 20;

/** The content of a zlib stream, as far as it can be read. */
async function inflate(data: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([data.slice()]).stream()
    .pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    while (length < MAX_TEXT) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      length += value.length;
    }
    await reader.cancel();
  } catch {
    // The stream is truncated or broken; the bytes before that count.
  }
  return joined(pieces);
}

/** The bytes of a "Raw profile": three lines, then hexadecimal digits. */
function readProfile(text: string): Uint8Array {
  const digits = text.split("\n").slice(3).join("").replaceAll(/\s/g, "");
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) return BROKEN;
  return Uint8Array.from(
    digits.match(/../g) ?? [],
    (byte) => Number.parseInt(byte, 16),
  );
}

/** EXIF data without any readable field. */
const BROKEN = Uint8Array.of(0);

const EXIF_FLAG = 8;
const XMP_FLAG = 4;

function webpMetadata(bytes: Uint8Array): Metadata {
  const view = viewOf(bytes);
  // Only the extended format has chunks besides the pixels.
  if (bytes.length < 30 || latin1(bytes.subarray(12, 16)) !== "VP8X") return {};
  const flags = bytes[20];
  const metadata: Metadata = {};
  const end = Math.min(bytes.length, 8 + view.getUint32(4, true));
  let at = 12;
  while (at + 8 <= end) {
    const type = latin1(bytes.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === "EXIF" && flags & EXIF_FLAG) metadata.exif ??= data;
    if (type === "XMP " && flags & XMP_FLAG) metadata.xmp ??= latin1(data);
    at += 8 + length + length % 2;
  }
  return metadata;
}

const ORIENTATION = 0x0112;

/** Bytes of a value, by its type in TIFF, from 1 on; 0 for unknown types. */
const SIZES: readonly number[] = [
  0,
  1,
  1,
  2,
  4,
  8,
  1,
  1,
  2,
  4,
  8,
  4,
  8,
  4,
  0,
  0,
  8,
];

/** The value of the orientation tag; undefined if it is missing. */
function exifOrientation(exif: Uint8Array): number | undefined {
  const start = /^(?:Exif\0\0){0,2}/.exec(latin1(exif.subarray(0, 12)))!;
  const tiff = exif.subarray(start[0].length);
  if (tiff.length === 0) return undefined;
  const head = latin1(tiff.subarray(0, 4));
  // Some writers swap the second pair of bytes.
  if (!/^(?:MM(?:\0[*+]|\*\0)|II(?:\*\0|\0\*))/.test(head)) return NaN;
  if (tiff.length < 8) return NaN;
  const isLittle = head.startsWith("I");
  const view = viewOf(tiff);
  const directory = view.getUint32(4, isLittle);
  if (directory + 2 > tiff.length) return undefined;
  const count = view.getUint16(directory, isLittle);
  let outside = 0; // bytes of values outside of the directory
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.length) return undefined;
    const tag = view.getUint16(entry, isLittle);
    const type = view.getUint16(entry + 2, isLittle);
    const size = (SIZES[type] ?? 0) * view.getUint32(entry + 4, isLittle);
    if (size === 0) continue;
    let at = entry + 8;
    if (size > 4) {
      outside += size;
      if (outside > tiff.length) continue;
      at = view.getUint32(at, isLittle);
      if (at + size > tiff.length) return undefined;
    }
    if (tag === ORIENTATION) return readValue(view, at, type, isLittle);
  }
  return undefined;
}

/** A number in TIFF; NaN for a type that is no number. */
function readValue(
  view: DataView,
  at: number,
  type: number,
  isLittle: boolean,
): number {
  switch (type) {
    case 3:
      return view.getUint16(at, isLittle);
    case 4:
    case 13:
      return view.getUint32(at, isLittle);
    case 5:
      return view.getUint32(at, isLittle) / view.getUint32(at + 4, isLittle);
    case 6:
      return view.getInt8(at);
    case 8:
      return view.getInt16(at, isLittle);
    case 9:
      return view.getInt32(at, isLittle);
    case 10:
      return view.getInt32(at, isLittle) / view.getInt32(at + 4, isLittle);
    case 11:
      return view.getFloat32(at, isLittle);
    case 12:
      return view.getFloat64(at, isLittle);
    case 16:
      return Number(view.getBigUint64(at, isLittle));
    default:
      return NaN;
  }
}

/** An attribute of XML in either of its two notations. */
function xmpOrientation(xmp: string = ""): number {
  return Number(/tiff:Orientation(?:="|>)([0-9])/.exec(xmp)?.[1] ?? 1);
}

/**
 * Turns an image upright.
 *
 * @param image The pixels of the file.
 * @param orientation The EXIF orientation, from 1 to 8.
 */
export function turnUpright(image: RgbImage, orientation: number): RgbImage {
  if (orientation === 1) return image;
  const isTurned = orientation >= 5; // rows become columns
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const { width, height } = isTurned
    ? { width: image.height, height: image.width }
    : image;
  const data = new Uint8Array(image.data.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = isTurned ? [y, x] : [x, y];
      const from = 3 * ((fromBottom ? image.height - 1 - row : row) *
          image.width + (fromRight ? image.width - 1 - column : column));
      data[to++] = image.data[from];
      data[to++] = image.data[from + 1];
      data[to++] = image.data[from + 2];
    }
  }
  return { width, height, data };
}
