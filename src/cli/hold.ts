import { allOf, berthApi } from "./berth-api.ts";
import { CommandFailed } from "./failure.ts";
import { imageNamed, nameOf } from "./image-names.ts";
import { printTable } from "./table.ts";
import { printable } from "./text.ts";
import { isoTime } from "./times.ts";

/** `berth hold …`: what nothing deletes. */

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

interface Hold {
  readonly imageId: { readonly imageTag?: string; readonly imageDigest?: string };
  readonly reason: string;
  /** Seconds since 1970, as other times. */
  readonly placedAt: number;
  readonly placedBy: string;
  readonly until?: number;
}

export async function addHold(
  name: string,
  { reason, until, config, json }: Options & { readonly reason: string; readonly until?: string },
): Promise<void> {
  const input = { ...imageNamed(name), reason, until: until === undefined ? undefined : timeOf(until) };
  const ask = await berthApi(config);
  const { hold } = await ask<{ hold: Hold }>("PutHold", input);
  if (json) console.log(JSON.stringify(shownInJson(hold)));
  else console.log(printable(`${nameOf(input.repositoryName, hold.imageId)} is held ${endOf(hold)}`));
}

export async function removeHold(name: string, { config, json }: Options): Promise<void> {
  const input = imageNamed(name);
  const ask = await berthApi(config);
  await ask("RemoveHold", input);
  if (json) console.log(JSON.stringify({ removed: true }));
  else console.log(printable(`${name} is not held any more`));
}

export async function listHolds(repositoryName: string, { config, json }: Options): Promise<void> {
  const ask = await berthApi(config);
  const holds: Hold[] = [];
  for await (const hold of allOf<Hold>(ask, "ListHolds", { repositoryName }, (page) => page.holds)) holds.push(hold);
  if (json) return console.log(JSON.stringify(holds.map(shownInJson)));
  const rows = holds.map((hold) => {
    return [nameOf(repositoryName, hold.imageId), endOf(hold), isoTime(hold.placedAt), hold.placedBy, hold.reason];
  });
  printTable(["image", "held", "since", "by", "reason"], rows);
  if (rows.length === 0) console.log("nothing is held");
}

function endOf({ until }: Hold): string {
  return until === undefined ? "for good" : `until ${isoTime(until)}`;
}

function shownInJson({ placedAt, until, ...hold }: Hold) {
  return { ...hold, placedAt: isoTime(placedAt), ...(until !== undefined && { until: isoTime(until) }) };
}

function timeOf(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new CommandFailed(`--until: given "${text}"; allowed: a time such as 2027-01-01 or 2027-01-01T12:00:00Z`);
  }
  return ms / 1000;
}
