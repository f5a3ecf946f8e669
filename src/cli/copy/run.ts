import { RemoteFailure } from "../../domain/registry/remote-registry.ts";
import type { Progress } from "../progress.ts";
import { count, printable, size } from "../text.ts";
import { type Copied, type CopyOptions, createCopier, type Tally } from "./engine.ts";
import { forEachOf } from "./for-each.ts";
import { type Destination, type ImageName, type Source, showIn } from "./places.ts";

/** One image to copy. */
export interface Errand {
  readonly from: ImageName;
  readonly to: ImageName;
}

export interface RunOptions extends Omit<CopyOptions, "progress" | "note"> {
  /** A line of JSON for each image, and one for all of them. */
  readonly json: boolean;
  readonly dryRun: boolean;
  /** Ends with the first image that fails. */
  readonly failFast: boolean;
  /** For people, about something that is no image's result. */
  readonly warn: (text: string) => void;
  readonly progress: Progress;
}

export interface Summary {
  images: number;
  copied: number;
  there: number;
  failed: number;
  referrers: number;
  readonly tally: Tally;
}

class Stopped extends Error {}

/** Copies images, tells of each as it is done, and goes on with the others when one fails. */
export async function runErrands(
  source: Source,
  destination: Destination,
  errands: AsyncIterable<Errand> | Iterable<Errand>,
  options: RunOptions,
): Promise<Summary> {
  const { json, dryRun, progress, warn } = options;
  const bytes = { done: 0, total: 0 };
  const show = () => progress.show(dryRun ? "looking" : "copying", bytes.done, bytes.total, "bytes");
  const copier = createCopier(source, destination, {
    ...options,
    note: warn,
    progress: {
      total(more) {
        bytes.total += more;
        show();
      },
      done(more) {
        bytes.done += more;
        show();
      },
    },
  });
  const tally: Tally = { sentBlobs: 0, sentBytes: 0, mountedBlobs: 0, thereBlobs: 0, thereBytes: 0, manifests: 0 };
  const summary: Summary = { images: 0, copied: 0, there: 0, failed: 0, referrers: 0, tally };
  const say = (line: string) => {
    progress.clear();
    console.log(line);
  };

  try {
    await forEachOf(errands, options.parallel, async ({ from, to }) => {
      summary.images++;
      const names = { source: showIn(source, from), destination: showIn(destination, to) };
      try {
        const copied = await copier.copyImage(from, to);
        addTo(summary, copied);
        say(json ? JSON.stringify({ ...names, ...jsonOf(copied, dryRun) }) : copiedText(names, copied, dryRun));
      } catch (error) {
        if (options.signal.aborted) throw error;
        summary.failed++;
        const why = failureText(error);
        say(
          json
            ? JSON.stringify({ ...names, status: "FAILED", error: why })
            : printable(`failed   ${names.source} -> ${names.destination}: ${why}`),
        );
        if (options.failFast) throw new Stopped();
      }
    });
    if (summary.failed === 0) await destination.finish();
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    progress.clear();
  }
  return summary;
}

export function printSummary(summary: Summary, { json, dryRun }: Pick<RunOptions, "json" | "dryRun">): void {
  const { tally, ...counts } = summary;
  if (json) {
    console.log(JSON.stringify({ summary: { dryRun, ...counts, ...tally } }));
    return;
  }
  const images = [
    `${count(summary.copied, "image")} ${dryRun ? "to copy" : "copied"}`,
    `${summary.there.toLocaleString("en")} already there`,
    `${summary.failed.toLocaleString("en")} failed`,
  ];
  const sent = `${size(tally.sentBytes)} in ${count(tally.sentBlobs, "blob")} ${dryRun ? "to send" : "sent"}`;
  const rest = `${count(tally.mountedBlobs, "blob")} mounted, ${size(tally.thereBytes)} already there`;
  console.log(`${images.join(", ")}; ${sent}; ${rest}`);
}

/** What went wrong with one image, in a line. */
export function failureText(error: unknown): string {
  if (error instanceof RemoteFailure) {
    const { status, code } = error.facts;
    const untold = [status && !error.detail.includes(`${status}`) && `HTTP ${status}`, code];
    const facts = untold.filter((fact) => fact && !error.detail.includes(fact)).join(", ");
    const advice =
      error.problem === "denied"
        ? "; see `berth copy --help` for credentials"
        : code === "NAME_UNKNOWN"
          ? "; --create-repositories makes what DST, a Berth or ECR, does not have"
          : "";
    return `${error.detail}${facts && ` (${facts})`}${advice}`;
  }
  return error instanceof Error ? error.message : String(error);
}

function addTo(summary: Summary, { tally, wasThere, referrers }: Copied): void {
  summary[wasThere ? "there" : "copied"]++;
  summary.referrers += referrers;
  for (const key of Object.keys(tally) as (keyof Tally)[]) summary.tally[key] += tally[key];
}

function jsonOf({ digest, tally, wasThere, referrers }: Copied, dryRun: boolean) {
  return { status: wasThere ? "THERE" : dryRun ? "WOULD_COPY" : "COPIED", digest, referrers, ...tally };
}

function copiedText(
  names: { source: string; destination: string },
  { digest, tally, wasThere, referrers }: Copied,
  dryRun: boolean,
): string {
  const what = wasThere ? "there" : dryRun ? "to copy" : "copied";
  const facts = [
    tally.sentBlobs > 0 ? `${size(tally.sentBytes)} in ${count(tally.sentBlobs, "blob")}` : "",
    tally.mountedBlobs > 0 ? `${tally.mountedBlobs} mounted` : "",
    tally.thereBlobs > 0 ? `${tally.thereBlobs} already there` : "",
    referrers > 0 ? `with ${count(referrers, "referrer")}` : "",
  ].filter(Boolean);
  const line = `${what.padEnd(8)} ${names.source} -> ${names.destination} ${digest}`;
  return printable(facts.length === 0 ? line : `${line} (${facts.join(", ")})`);
}
