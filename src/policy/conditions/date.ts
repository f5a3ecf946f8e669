import { comparing, pair } from "./operator.ts";

/** The profile of ISO 8601 that the W3C's note "Date and Time Formats" describes; a time without a zone is UTC. */
const iso =
  /^([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(?:Z|([+-])([0-9]{2}):?([0-9]{2}))?)?)?)?$/;
const epochSeconds = /^(?:[0-9]{1,3}|[0-9]{5,12})(?:\.[0-9]{1,9})?$/;

/** Milliseconds since 1970. Four digits are a year, any other number counts seconds. */
function parseDate(text: string): number | undefined {
  if (epochSeconds.test(text)) return Math.floor(Number(text) * 1000);
  const found = iso.exec(text);
  if (!found) return undefined;
  const number = (group: number, otherwise: number) => (found[group] === undefined ? otherwise : Number(found[group]));
  const [year, month, day] = [number(1, 0), number(2, 1), number(3, 1)];
  const [hour, minute, second] = [number(4, 0), number(5, 0), number(6, 0)];
  const [zoneHour, zoneMinute] = [number(9, 0), number(10, 0)];
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  // The 30th of February would be a day in March.
  if (midnight.getUTCMonth() !== month - 1) return undefined;
  const milliseconds = Math.floor(Number(`0.${found[7] ?? "0"}`) * 1000);
  const offset = (zoneHour * 60 + zoneMinute) * (found[8] === "-" ? -1 : 1);
  return midnight.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds;
}

const dates = (fits: (value: number, wanted: number) => boolean) => comparing(parseDate, fits);

const [DateEquals, DateNotEquals] = pair(dates((value, wanted) => value === wanted));
const [DateLessThan] = pair(dates((value, wanted) => value < wanted));
const [DateLessThanEquals] = pair(dates((value, wanted) => value <= wanted));
const [DateGreaterThan] = pair(dates((value, wanted) => value > wanted));
const [DateGreaterThanEquals] = pair(dates((value, wanted) => value >= wanted));

export const dateOperators = {
  DateEquals,
  DateNotEquals,
  DateLessThan,
  DateLessThanEquals,
  DateGreaterThan,
  DateGreaterThanEquals,
};
