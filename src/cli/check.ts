import { constants, setPriority } from "node:os";
import { loadConfig } from "../config.ts";
import { type CheckCounts, type CheckOptions, check, type Hurt, type Problem } from "../domain/registry/check.ts";
import { StoreIsForeign } from "../domain/registry/check-blobs.ts";
import type { BlobStore, Metadata } from "../domain/registry/ports.ts";
import { CommandFailed, describeFailure } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { withStores } from "./stores.ts";
import { count, size } from "./text.ts";

interface CheckArguments {
  readonly config?: string;
  readonly data?: string;
  readonly rehash?: boolean;
  readonly rate?: string;
  readonly repair?: boolean;
  readonly json?: boolean;
}

const defaultRateMiB = 100;
/** More are counted and not listed: a report must fit into memory. */
const listedProblems = 10_000;
const couldNotRun = 2;

/** Documented in docs/operations.md. */
export interface CheckReport {
  readonly result: "clean" | "repaired" | "problems";
  readonly counts: CheckCounts;
  readonly problems: readonly Problem[];
  readonly problemsNotListed: number;
}

/** Ends with 0 when everything is in order or was brought into it, with 1 when something is not, with 2 when it could not run. */
export async function runCheck(given: CheckArguments): Promise<void> {
  try {
    const config = loadConfig({ file: given.config, data: given.data });
    const options = {
      rehash: given.rehash === true,
      repair: given.repair === true,
      bytesPerSecond: rateOf(given.rate ?? String(defaultRateMiB)),
    };
    const report = await withStores(config, (stores) => checkStores(stores, options, given.json !== true));
    if (given.json) console.log(JSON.stringify(report));
    else console.log(summary(report));
    if (report.result === "problems") process.exitCode = 1;
  } catch (error) {
    console.error(describeFailure(error));
    process.exitCode = couldNotRun;
  }
}

/** @param isShown whether problems are printed as they are found, and progress is shown */
export async function checkStores(
  stores: { metadata: Metadata; blobs: BlobStore },
  options: Pick<CheckOptions, "rehash" | "repair" | "bytesPerSecond">,
  isShown: boolean,
): Promise<CheckReport> {
  // The server comes first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const progress = createProgress(isShown ? process.stderr : { write() {} });
  const problems: Problem[] = [];
  try {
    const counts = await check(
      { ...stores, clock: () => new Date() },
      {
        ...options,
        found(problem) {
          if (problems.length < listedProblems) problems.push(problem);
          if (!isShown) return;
          progress.clear();
          console.log(problemLines(problem).join("\n"));
        },
        progress: ({ phase, done, total }) =>
          progress.show(`checking ${phase}`, done, total, phase === "bytes" ? "bytes" : "items"),
      },
    );
    const result = counts.problems === 0 ? "clean" : counts.remaining === 0 ? "repaired" : "problems";
    return { result, counts, problems, problemsNotListed: counts.problems - problems.length };
  } catch (error) {
    if (error instanceof StoreIsForeign) throw new CommandFailed(error.message, { cause: error });
    throw error;
  } finally {
    progress.clear();
  }
}

/** Bytes per second. */
export function rateOf(given: string): number {
  if (!/^\d{1,6}(?:\.\d{1,3})?$/.test(given)) {
    throw new CommandFailed(`--rate: given "${given}"; allowed: MiB per second, such as 50, or 0 for no limit`);
  }
  return Number(given) * 1024 * 1024;
}

function problemLines({ what, outcome, hurts = [] }: Problem): string[] {
  return [`${outcome.padEnd(11)} ${what}`, ...(outcome === "repaired" ? [] : hurts.map(hurtLine))];
}

function hurtLine({ registry, repository, image, tags = [] }: Hurt): string {
  const where = `${registry.account}/${registry.region} ${repository}`;
  if (!image) return `            in ${where}, in no image`;
  return `            in ${where}, image ${image}${tags.length > 0 ? ` (${tags.join(", ")})` : ""}`;
}

export function summary({ counts }: CheckReport): string {
  const looked = `${count(counts.images, "image")}, ${count(counts.tags, "tag")} and ${count(counts.blobs, "blob")} (${size(counts.blobBytes)})`;
  const hashed = counts.rehashed > 0 ? `, ${size(counts.rehashedBytes)} read and hashed` : "";
  const waiting = counts.youngCopies + counts.awaitingRemoval;
  const lines = [`checked ${looked}${hashed}`];
  if (waiting > 0) {
    lines.push(
      `${count(counts.youngCopies, "copy", "copies")} too young to be judged, ${count(counts.awaitingRemoval, "copy", "copies")} about to be collected`,
    );
  }
  if (counts.freedBytes > 0) lines.push(`freed ${size(counts.freedBytes)}`);
  if (counts.problems === 0) lines.push("everything is in order");
  else lines.push(`${count(counts.problems, "problem")}, of which ${counts.problems - counts.remaining} repaired`);
  return lines.join("\n");
}
