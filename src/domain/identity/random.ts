import { randomBytes } from "node:crypto";

/** For ids that are read as AWS's: `AKIA…`, `AROA…`. */
export const upperBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** For ids that are read as AWS's: `o-…`, `p-…`. */
export const lowerAlphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789";
export const digits = "0123456789";
/** Letters and digits survive every shell. */
export const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Text that nobody can guess; each character is as likely as any other. */
export function randomText(alphabet: string, length: number): string {
  // Bytes beyond the last whole round of the alphabet would favour its first letters.
  const limit = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < limit && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
