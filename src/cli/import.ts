import { type ClientConfig, type CopyConfig, copyConfig } from "../client-config.ts";
import { parseRepositoryName } from "../domain/names.ts";
import { createRemotes, type Remotes } from "../remotes/registry/index.ts";
import { berthConfig } from "./berth-api.ts";
import { type BerthDestination, openBerth } from "./copy/berth-destination.ts";
import { openDistributionSource, type StorageOptions } from "./copy/distribution-source.ts";
import { copyPolicies, creationOf, type EcrRepository, type SettingsParts } from "./copy/ecr-settings.ts";
import { type EcrSource, openEcrSource } from "./copy/ecr-source.ts";
import { createFilter, createRepositoryFilter } from "./copy/filters.ts";
import type { Source } from "./copy/places.ts";
import { pretending } from "./copy/pretending.ts";
import { CopyFailed } from "./copy/problems.ts";
import { type Errand, failureText, printSummary, runErrands } from "./copy/run.ts";
import { openZotSource } from "./copy/zot-source.ts";
import { parallelOf, untilInterrupted } from "./copy.ts";
import { CommandFailed } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { printable } from "./text.ts";

export interface ImportOptions {
  readonly config?: string;
  readonly prefix?: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly untagged?: boolean;
  readonly referrers: boolean;
  readonly dryRun?: boolean;
  readonly failFast?: boolean;
  readonly parallel: string;
  readonly json?: boolean;
  readonly ca?: string;
}

export interface EcrImportOptions extends ImportOptions {
  readonly profile?: string;
  readonly region?: string;
  readonly insecure?: boolean;
  readonly settings: boolean;
  readonly encryption?: string;
  readonly kmsKey?: string;
}

/** What an import has at hand. */
interface Import {
  readonly client: ClientConfig;
  readonly environment: CopyConfig;
  readonly remotes: Remotes;
  readonly storage: StorageOptions;
  readonly target: (repository: string) => string;
  /** A line for people, or an object for machines. */
  readonly say: (line: string, facts: object) => void;
}

export const importDistribution = (folder: string, options: ImportOptions) =>
  importImages(options, ({ storage }) => openDistributionSource(folder, storage));

export const importZot = (folder: string, options: ImportOptions) =>
  importImages(options, ({ storage }) => openZotSource(folder, storage));

/** Repositories with their settings first, then images, then policies. */
export async function importEcr(registry: string, options: EcrImportOptions): Promise<void> {
  const { encryption: type, kmsKey: key, dryRun = false } = options;
  if (key !== undefined && !type?.startsWith("KMS"))
    throw new CommandFailed("--kms-key: only with --encryption KMS or KMS_DSSE");
  const creations = new Map<string, object>();
  const repositories: EcrRepository[] = [];
  let source: EcrSource;

  const partsOf = (berth: BerthDestination, { say }: Import): SettingsParts => ({
    source: source.api,
    berth,
    encryption: { type, key },
    missed: (repository, what) =>
      say(`not taken over: ${repository}: ${what}`, { repository, status: "NOT_TAKEN_OVER", what }),
  });

  await importImages(
    options,
    async ({ client, environment, remotes, storage }) => {
      const { profile, region, insecure = false, ca } = options;
      source = await openEcrSource(registry, {
        ...storage,
        profile,
        region,
        insecure,
        ca,
        client,
        environment,
        remotes,
      });
      return source;
    },
    {
      settings: (repository) => creations.get(repository) ?? {},
      async before(berth, parts) {
        if (!options.settings) return;
        for await (const repository of source.repositories()) {
          if (!parts.storage.wanted(repository.repositoryName)) continue;
          repositories.push(repository);
          const target = parts.target(repository.repositoryName);
          creations.set(target, await creationOf(repository, partsOf(berth, parts)));
          const facts = { repository: target, status: dryRun ? "WOULD_MAKE" : "MADE" };
          if (dryRun) parts.say(`to make  ${target}`, facts);
          else if (await berth.ensure(target)) parts.say(`made     ${target}`, facts);
          else parts.say(`there    ${target}, with the settings that it has`, { ...facts, status: "THERE" });
        }
      },
      async after(berth, parts) {
        if (dryRun) return;
        for (const { repositoryName } of repositories) {
          const target = parts.target(repositoryName);
          const done = await copyPolicies(repositoryName, target, partsOf(berth, parts));
          if (done.length > 0)
            parts.say(`set      ${target}: ${done.join(" and ")}`, {
              repository: target,
              status: "SET",
              policies: done,
            });
        }
        const rest =
          "settings of the registry: its policy, replication, pull-through caches, templates, scanning and signing";
        parts.say(`not taken over: ${rest}`, { status: "NOT_TAKEN_OVER", what: rest });
      },
    },
  );
}

interface Steps {
  readonly settings?: (repository: string) => object;
  before?(berth: BerthDestination, parts: Import): Promise<void>;
  after?(berth: BerthDestination, parts: Import): Promise<void>;
}

async function importImages(
  options: ImportOptions,
  openSource: (parts: Import) => Promise<Source>,
  { settings = () => ({}), before, after }: Steps = {},
): Promise<void> {
  const { json = false, dryRun = false, failFast = false, prefix = "", ca } = options;
  if (prefix !== "" && !parseRepositoryName(prefix))
    throw new CommandFailed(`--prefix: given "${prefix}"; allowed: the beginning of a repository's name`);
  const filter = createFilter(options, false);
  const parallel = parallelOf(options.parallel);
  const progress = createProgress();
  const warn = (text: string) => {
    progress.clear();
    console.error(printable(`berth: ${text}`));
  };
  const { signal, release } = untilInterrupted();
  const remotes = createRemotes();
  const parts: Import = {
    client: berthConfig(options.config),
    environment: copyConfig(),
    remotes,
    storage: { wanted: createRepositoryFilter(options), untagged: options.untagged === true, warn },
    target: (repository) => (prefix === "" ? repository : `${prefix}/${repository}`),
    say: (line, facts) => console.log(json ? JSON.stringify(facts) : printable(line)),
  };
  let source: Source | undefined;
  try {
    const opened = await openSource(parts);
    source = opened;
    const berth = await openBerth({ ...parts, ca, prefix, settings });
    await before?.(berth, parts);
    const errands = async function* (): AsyncGenerator<Errand> {
      for await (const from of opened.images({ signal })) {
        if (filter(from)) yield { from, to: { ...from, repository: parts.target(from.repository) } };
      }
    };
    const destination = dryRun ? pretending(berth) : berth;
    const how = { parallel, signal, progress, warn, json, dryRun, failFast, oneRegistry: false };
    const summary = await runErrands(opened, destination, errands(), {
      ...how,
      platforms: [],
      referrers: options.referrers,
    });
    await after?.(berth, parts);
    printSummary(summary, { json, dryRun });
    if (summary.failed > 0) process.exitCode = 1;
  } catch (error) {
    if (signal.aborted) throw new CommandFailed("interrupted; run it again to go on");
    const isForeseen = error instanceof CopyFailed || (error as Error).name === "RemoteFailure";
    throw isForeseen ? new CommandFailed(failureText(error)) : error;
  } finally {
    await source?.close();
    remotes.close();
    release();
  }
}
