import type { Context } from "./question.ts";
import { type Part, substitute } from "./template.ts";

export type Matcher = (text: string, context: Context) => boolean;

/**
 * Matches whole texts against parts. The pattern is cut at each `*`, and each piece is looked for once, from where the
 * piece before it ended: taking the first place for each is enough, so nothing is ever tried twice.
 */
export function compileMatcher(parts: readonly Part[]): Matcher {
  if (parts.some(({ kind }) => kind === "variable")) {
    return (text, context) => {
      const literal = substitute(parts, context);
      return literal !== undefined && matchPieces(piecesOf(literal), text);
    };
  }
  const pieces = piecesOf(parts);
  const [first, last] = pieces;
  if (pieces.length === 1 && first?.ones === false) return (text) => text === first.text;
  if (pieces.length === 2 && first?.text === "" && last?.text === "") return () => true;
  return (text) => matchPieces(pieces, text);
}

/** What is between two `*`. Characters at which `?` stands are left open. */
interface Piece {
  readonly text: string;
  /** Whether there is a `?` in it; then `mask` has a `?` at its place, and a blank elsewhere. */
  readonly ones: boolean;
  readonly mask: string;
}

function piecesOf(parts: readonly Part[]): Piece[] {
  const pieces: Piece[] = [];
  let [text, mask] = ["", ""];
  const end = () => {
    pieces.push({ text, ones: mask.includes("?"), mask });
    [text, mask] = ["", ""];
  };
  for (const part of parts) {
    // Two `*` in a row are as one.
    if (part.kind === "any" && (text !== "" || pieces.length === 0)) end();
    else if (part.kind === "any") continue;
    else if (part.kind === "one") [text, mask] = [`${text}?`, `${mask}?`];
    else if (part.kind === "text") [text, mask] = [text + part.text, mask + " ".repeat(part.text.length)];
  }
  end();
  return pieces;
}

function matchPieces(pieces: readonly Piece[], text: string): boolean {
  const first = pieces[0] as Piece;
  if (pieces.length === 1) return first.text.length === text.length && standsAt(first, text, 0);
  const last = pieces[pieces.length - 1] as Piece;
  const end = text.length - last.text.length;
  if (first.text.length > end || !standsAt(first, text, 0) || !standsAt(last, text, end)) return false;
  let at = first.text.length;
  for (let index = 1; index < pieces.length - 1; index++) {
    const piece = pieces[index] as Piece;
    const found = find(piece, text, at, end);
    if (found < 0) return false;
    at = found + piece.text.length;
  }
  return true;
}

function find(piece: Piece, text: string, from: number, end: number): number {
  if (!piece.ones) {
    const found = text.indexOf(piece.text, from);
    return found + piece.text.length <= end ? found : -1;
  }
  if (piece.text.length > longPiece) return findLong(piece, text, from, end);
  for (let at = from; at + piece.text.length <= end; at++) if (standsAt(piece, text, at)) return at;
  return -1;
}

/** Beyond this, looking at each place anew would cost more than keeping all places in mind. */
const longPiece = 64;

/**
 * Reads the text once. Bit n of the state says that the piece's first n + 1 characters end here (Baeza-Yates and
 * Gonnet, "A new approach to text searching").
 */
function findLong({ text: wanted, mask }: Piece, text: string, from: number, end: number): number {
  let open = 0n;
  const places = new Map<number, bigint>();
  for (let index = 0; index < wanted.length; index++) {
    const bit = 1n << BigInt(index);
    if (mask.charCodeAt(index) === 0x3f) open |= bit;
    else places.set(wanted.charCodeAt(index), (places.get(wanted.charCodeAt(index)) ?? 0n) | bit);
  }
  const last = 1n << BigInt(wanted.length - 1);
  let state = 0n;
  for (let at = from; at < end; at++) {
    state = ((state << 1n) | 1n) & (open | (places.get(text.charCodeAt(at)) ?? 0n));
    if (state & last) return at + 1 - wanted.length;
  }
  return -1;
}

function standsAt({ text: wanted, ones, mask }: Piece, text: string, at: number): boolean {
  if (!ones) return text.startsWith(wanted, at);
  for (let index = 0; index < wanted.length; index++) {
    if (mask.charCodeAt(index) === 0x3f) continue;
    if (wanted.charCodeAt(index) !== text.charCodeAt(at + index)) return false;
  }
  return true;
}
