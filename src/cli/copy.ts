import { type ClientConfig, clientConfig, copyConfig } from "../client-config.ts";
import { createRemotes } from "../remotes/registry/index.ts";
import { repositoryMaker } from "./copy/berth-destination.ts";
import { createFilter, createRepositoryFilter } from "./copy/filters.ts";
import { type OpenedSource, openDestination, openSource, type SideOptions } from "./copy/open.ts";
import type { ImageName } from "./copy/places.ts";
import { parsePlatform } from "./copy/platforms.ts";
import { pretending } from "./copy/pretending.ts";
import { CopyFailed } from "./copy/problems.ts";
import { type PlaceReference, parseReference } from "./copy/references.ts";
import { type Errand, failureText, printSummary, runErrands } from "./copy/run.ts";
import { createTargets, type Targets } from "./copy/targets.ts";
import { CommandFailed } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { printable } from "./text.ts";

export interface CopyCommandOptions {
  readonly config?: string;
  readonly all?: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly platform: readonly string[];
  readonly referrers: boolean;
  readonly dryRun?: boolean;
  readonly failFast?: boolean;
  readonly createRepositories?: boolean;
  readonly parallel: string;
  readonly json?: boolean;
  readonly insecure?: boolean;
  readonly srcInsecure?: boolean;
  readonly destInsecure?: boolean;
  readonly ca?: string;
  readonly srcCreds?: string;
  readonly srcCredsFile?: string;
  readonly srcProfile?: string;
  readonly destCreds?: string;
  readonly destCredsFile?: string;
  readonly destProfile?: string;
}

const mostParallel = 64;

/** Images from one place to another. */
export async function copy(src: string, dst: string, options: CopyCommandOptions): Promise<void> {
  const from = parseReference(src, "SRC");
  const to = parseReference(dst, "DST");
  if (options.srcCredsFile === "-" && options.destCredsFile === "-") {
    throw new CommandFailed("--src-creds-file and --dest-creds-file cannot both be standard input");
  }
  const patterns = { include: options.include, exclude: options.exclude };
  const isMany = options.all === true || patterns.include.length + patterns.exclude.length > 0;
  const isOneRepository = from.kind === "docker" && from.repository !== "";
  if (isMany && from.kind === "docker" && from.reference) {
    throw new CommandFailed("SRC: with --all, --include or --exclude, name a repository or a host without a tag");
  }
  if (!isMany && from.kind === "docker" && from.repository === "") {
    throw new CommandFailed("SRC: name a repository behind the host, or copy all of them with --all");
  }
  const filter = createFilter(patterns, isOneRepository);
  const platforms = options.platform.map(parsePlatform);
  const parallel = parallelOf(options.parallel);
  const progress = createProgress();
  const warn = (text: string) => {
    progress.clear();
    console.error(printable(`berth: ${text}`));
  };
  const { signal, release } = untilInterrupted();
  const targets = createTargets(from, to);
  const remotes = createRemotes();
  const common = { client: clientConfig({ file: options.config }), environment: copyConfig(), ca: options.ca, remotes };
  const closing: (() => Promise<void>)[] = [async () => remotes.close()];
  try {
    const source = await openSource(from, {
      ...common,
      ...sideOf("src", options),
      warn,
      wanted: createRepositoryFilter(patterns),
    });
    closing.push(source.close);
    const { client } = common;
    const make = options.createRepositories ? await makerOf(to, client, options.destProfile) : undefined;
    const opened = await openDestination(to, {
      ...common,
      ...sideOf("dest", options),
      make,
      fullName: targets.fullName,
    });
    const dryRun = options.dryRun === true;
    const destination = dryRun ? pretending(opened) : opened;
    closing.push(destination.close);
    const errands = isMany ? manyOf(source, targets, filter, signal) : [oneOf(source, from, targets)];
    const oneRegistry = from.kind === "docker" && to.kind === "docker" && from.host === to.host;
    const how = { oneRegistry, platforms, parallel, signal, progress, warn, dryRun, referrers: options.referrers };
    const shown = { json: options.json === true, failFast: options.failFast === true };
    const summary = await runErrands(source, destination, errands, { ...how, ...shown });
    if (isMany || options.json) printSummary(summary, { json: shown.json, dryRun });
    if (summary.failed > 0) process.exitCode = 1;
    if (isMany && summary.images === 0) throw new CommandFailed(`${source.name} has no image that was asked for`);
  } catch (error) {
    if (signal.aborted) throw new CommandFailed("interrupted; run it again to go on");
    throw error instanceof CopyFailed || (error as Error).name === "RemoteFailure"
      ? new CommandFailed(failureText(error))
      : error;
  } finally {
    for (const close of closing.reverse()) await close();
    release();
  }
}

function makerOf(to: PlaceReference, client: ClientConfig, profile: string | undefined) {
  if (to.kind === "docker") return repositoryMaker(to.shownHost, client, profile);
  throw new CommandFailed("--create-repositories: DST is no registry");
}

function sideOf(
  side: "src" | "dest",
  options: CopyCommandOptions,
): Pick<SideOptions, "side" | "creds" | "credsFile" | "profile" | "insecure"> {
  return side === "src"
    ? {
        side,
        creds: options.srcCreds,
        credsFile: options.srcCredsFile,
        profile: options.srcProfile,
        insecure: options.insecure === true || options.srcInsecure === true,
      }
    : {
        side,
        creds: options.destCreds,
        credsFile: options.destCredsFile,
        profile: options.destProfile,
        insecure: options.insecure === true || options.destInsecure === true,
      };
}

function oneOf(source: OpenedSource, reference: PlaceReference, targets: Targets): Errand {
  const from: ImageName =
    reference.kind === "docker"
      ? { repository: reference.repository, reference: reference.reference ?? { tag: "latest" as never } }
      : (source.only?.() as ImageName);
  return { from, to: targets.one(from) };
}

async function* manyOf(
  source: OpenedSource,
  targets: Targets,
  filter: (image: ImageName) => boolean,
  signal: AbortSignal,
): AsyncGenerator<Errand> {
  for await (const from of source.images({ signal })) {
    if (filter(from)) yield { from, to: targets.each(from) };
  }
}

export function parallelOf(text: string): number {
  const parallel = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (parallel >= 1 && parallel <= mostParallel) return parallel;
  throw new CommandFailed(`--parallel: given "${text}"; allowed: a whole number from 1 to ${mostParallel}`);
}

/** The first signal ends what is on its way, so that the next run can go on; a second one ends the process. */
export function untilInterrupted(): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = () => controller.abort(new CommandFailed("interrupted"));
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  return {
    signal: controller.signal,
    release() {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    },
  };
}
