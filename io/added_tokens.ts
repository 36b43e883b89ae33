// Added tokens: strings such as <image> or <|im_end|> that a tokenizer.json
// names apart from its vocabulary and that become one id wherever they stand.
// They are found here and not by the npm package, because what a user wrote must
// never become one. Follows the AddedVocabulary of the tokenizers library.

/** A part of a text, and whether to look for added tokens in it. */
export interface TextPiece {
  /** The text. */
  readonly text: string;
  /**
   * Whether added tokens written out in it become their one id: true for what
   * a template says, false for what a user wrote.
   */
  readonly special: boolean;
}

/** One entry of `added_tokens` in a tokenizer.json. */
export interface AddedToken {
  /** Its id. */
  readonly id: number;
  /** How it is written. */
  readonly content: string;
  /** Whether it takes the whitespace before it. */
  readonly lstrip: boolean;
  /** Whether it takes the whitespace after it. */
  readonly rstrip: boolean;
  /** Whether it is looked for in the normalised text. */
  readonly normalized: boolean;
  /** Whether it is left out of an answer's text. */
  readonly special: boolean;
}

/** Pieces of text between added tokens, or one such token. */
export type Section = readonly TextPiece[] | AddedToken;

/**
 * Reads `added_tokens`.
 *
 * @param json Its parsed content.
 * @returns The tokens in the file's order.
 * @throws {TypeError} An entry is not as it must be, or asks for a whole word.
 */
export function parseAddedTokens(json: unknown): AddedToken[] {
  if (!Array.isArray(json)) {
    throw new TypeError('"added_tokens" must be a list');
  }
  return json.map((entry, i) => {
    const { id, content } = entry ?? {};
    if (!Number.isInteger(id) || typeof content !== "string" || !content) {
      throw new TypeError(`"added_tokens", item ${i}, has no id or no content`);
    }
    if (entry.single_word) {
      throw new TypeError(
        `added tokens must not be "single_word": "${content}"`,
      );
    }
    const special = entry.special === true;
    return {
      id,
      content,
      lstrip: entry.lstrip === true,
      rstrip: entry.rstrip === true,
      normalized: entry.normalized ?? !special,
      special,
    };
  });
}

/** Cuts text at the tokens it was made for; of several at one place, the longest. */
export type Cutter = (pieces: readonly TextPiece[]) => Section[];

/**
 * Makes a function that cuts text at added tokens.
 *
 * @param tokens By the string to look for.
 * @returns The function. A token must stand within one piece that is special.
 */
export function makeCutter(tokens: ReadonlyMap<string, AddedToken>): Cutter {
  if (tokens.size === 0) return (pieces) => [pieces];
  const longestFirst = [...tokens.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"))
      .join("|"),
    "gu",
  );
  return (pieces) => {
    const sections: Section[] = [];
    let open: TextPiece[] = [];
    const close = () => {
      if (open.length > 0) sections.push(open);
      open = [];
    };
    for (const piece of joinNeighbours(pieces)) {
      let end = 0;
      for (const match of piece.special ? piece.text.matchAll(pattern) : []) {
        open.push({ ...piece, text: piece.text.slice(end, match.index) });
        close();
        sections.push(tokens.get(match[0])!);
        end = match.index + match[0].length;
      }
      open.push({ ...piece, text: piece.text.slice(end) });
    }
    close();
    return stripAround(sections);
  };
}

/** A token may not end one piece and begin in the next, unless both are special. */
function joinNeighbours(pieces: readonly TextPiece[]): TextPiece[] {
  const joined: TextPiece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (last?.special === piece.special) {
      joined[joined.length - 1] = { ...last, text: last.text + piece.text };
    } else {
      joined.push(piece);
    }
  }
  return joined;
}

/** Takes away the whitespace that tokens ask for. */
function stripAround(sections: Section[]): Section[] {
  return sections.map((section, i) => {
    if (isAddedToken(section)) return section;
    const [before, after] = [sections[i - 1], sections[i + 1]];
    let pieces = [...section];
    if (before && isAddedToken(before) && before.rstrip) {
      pieces = strip(pieces, /^\p{White_Space}+/u);
    }
    if (after && isAddedToken(after) && after.lstrip) {
      pieces = strip(pieces.reverse(), /\p{White_Space}+$/u).reverse();
    }
    return pieces;
  });
}

/** Removes a pattern from the first pieces, up to one of which something is left. */
function strip(pieces: TextPiece[], pattern: RegExp): TextPiece[] {
  const stripped = [...pieces];
  for (const [i, piece] of pieces.entries()) {
    stripped[i] = { ...piece, text: piece.text.replace(pattern, "") };
    if (stripped[i].text !== "") break;
  }
  return stripped;
}

/** Tells the two kinds of section apart. */
export function isAddedToken(section: Section): section is AddedToken {
  return "id" in section;
}

/** The text of pieces. */
export function textOf(pieces: readonly TextPiece[]): string {
  return pieces.map(({ text }) => text).join("");
}
