/** Times of answers, which are seconds since 1970, for people and for JSON. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
