/** As much of DER (X.690) as reading a certificate takes. What is not exactly right is an error: nobody guesses here. */

export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
}

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  oid: 0x06,
  utf8: 0x0c,
  printable: 0x13,
  ia5: 0x16,
  octets: 0x04,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Values beside each other, up to the last byte. @throws DerError */
export function derValues(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const tag = byteAt(bytes, offset);
    // Numbers of tags beyond 30 occur nowhere in a certificate.
    if ((tag & 0x1f) === 0x1f) throw new DerError("a tag of several bytes");
    const { length, start } = lengthAt(bytes, offset + 1);
    if (start + length > bytes.length) throw new DerError("a value that ends behind its bytes");
    values.push({ tag, content: bytes.subarray(start, start + length) });
    offset = start + length;
  }
  return values;
}

/** What is inside of one that is to have this tag. @throws DerError */
export function derInside(value: DerValue | undefined, tag: number): DerValue[] {
  return derValues(derContent(value, tag));
}

/** @throws DerError */
export function derContent(value: DerValue | undefined, tag: number): Uint8Array {
  if (value?.tag !== tag) throw new DerError(`tag ${value?.tag}, not ${tag}`);
  return value.content;
}

/** `2.5.4.3`. @throws DerError */
export function derOid(value: DerValue | undefined): string {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of derContent(value, derTag.oid)) {
    number = number * 128 + (byte & 0x7f);
    if (number > Number.MAX_SAFE_INTEGER / 128) throw new DerError("an object identifier that is too long");
    if ((byte & 0x80) !== 0) continue;
    if (numbers.length === 0) {
      const first = Math.min(Math.floor(number / 40), 2);
      numbers.push(first, number - first * 40);
    } else numbers.push(number);
    number = 0;
  }
  return numbers.join(".");
}

export class DerError extends Error {
  override readonly name = "DerError";
}

function lengthAt(bytes: Uint8Array, offset: number): { length: number; start: number } {
  const first = byteAt(bytes, offset);
  if (first < 0x80) return { length: first, start: offset + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 3) throw new DerError("a length of another form");
  let length = 0;
  for (let i = 1; i <= count; i++) length = length * 256 + byteAt(bytes, offset + i);
  return { length, start: offset + 1 + count };
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset];
  if (byte === undefined) throw new DerError("the end in the middle of a value");
  return byte;
}
