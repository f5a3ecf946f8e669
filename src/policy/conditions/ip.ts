import { type Operator, pair } from "./operator.ts";

/** Two 16-bit words for version 4, eight for version 6, and how many bits from the left count. */
interface Block {
  readonly words: readonly number[];
  readonly bits: number;
}

function parseV4(text: string): number[] | undefined {
  const found = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$/.exec(text);
  if (!found) return undefined;
  const bytes: number[] = [];
  for (const byte of found.slice(1)) {
    // Some read a leading zero as octal: nobody shall see another address than we do.
    if (Number(byte) > 255 || (byte.length > 1 && byte.startsWith("0"))) return undefined;
    bytes.push(Number(byte));
  }
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return [(a << 8) | b, (c << 8) | d];
}

function parseV6(text: string): number[] | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const read = (half: string, isLast: boolean): number[] | undefined => {
    if (half === "") return [];
    const words: number[] = [];
    const groups = half.split(":");
    for (const [index, group] of groups.entries()) {
      const v4 = isLast && index === groups.length - 1 ? parseV4(group) : undefined;
      if (v4) words.push(...v4);
      else if (/^[0-9a-f]{1,4}$/i.test(group)) words.push(Number.parseInt(group, 16));
      else return undefined;
    }
    return words;
  };
  const head = read(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? read(halves[1] ?? "", true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** A version 4 address in the clothes of version 6 is that address: it is the same client. */
function unmap(block: Block): Block {
  const { words, bits } = block;
  const isMapped = words.length === 8 && bits >= 96 && words[5] === 0xffff && words.slice(0, 5).every((word) => !word);
  return isMapped ? { words: words.slice(6), bits: bits - 96 } : block;
}

export function parseBlock(text: string): Block | undefined {
  const [, address = "", length] = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  const words = address.includes(":") ? parseV6(address) : parseV4(address);
  if (!words) return undefined;
  const bits = length === undefined ? words.length * 16 : Number(length);
  return bits > words.length * 16 ? undefined : unmap({ words, bits });
}

function contains({ words: wanted, bits }: Block, words: readonly number[]): boolean {
  if (wanted.length !== words.length) return false;
  for (let index = 0, left = bits; left > 0; index++, left -= 16) {
    const mask = left >= 16 ? 0xffff : 0xffff & ~(0xffff >> left);
    if ((((wanted[index] ?? 0) ^ (words[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** All statements of a decision ask about the same one. */
let latest: { readonly text: string; readonly words: Block["words"] | undefined } = { text: "", words: undefined };

/** The client has one address, so a request's value is no range. */
function addressIn(text: string): Block["words"] | undefined {
  if (latest.text !== text) latest = { text, words: text.includes("/") ? undefined : parseBlock(text)?.words };
  return latest.words;
}

const addresses: Omit<Operator, "negated"> = {
  accepts: (value) => parseBlock(value) !== undefined,
  prepare(values) {
    const blocks = values.map(parseBlock).filter((block) => block !== undefined);
    return {
      test(text) {
        const words = addressIn(text);
        return words !== undefined && blocks.some((block) => contains(block, words));
      },
    };
  },
};

const [IpAddress, NotIpAddress] = pair(addresses);

export const ipOperators = { IpAddress, NotIpAddress };
