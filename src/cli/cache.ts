import { duration } from "../config-values.ts";
import { berthApi } from "./berth-api.ts";
import { CommandFailed } from "./failure.ts";
import { printTable } from "./table.ts";
import { printable } from "./text.ts";

/** `berth cache …`: pull through cache rules, and what they say beyond ECR. */

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

interface Rule {
  readonly ecrRepositoryPrefix: string;
  readonly upstreamRegistryUrl: string;
  readonly upstreamRepositoryPrefix?: string;
  readonly credentialArn?: string;
}

interface RuleOptions {
  readonly freshSeconds?: number;
  readonly allowTags?: readonly string[];
  readonly denyTags?: readonly string[];
  readonly allowRepositories?: readonly string[];
  readonly denyRepositories?: readonly string[];
}

interface GivenOptions extends Options {
  readonly fresh?: string;
  readonly allowTag?: readonly string[];
  readonly denyTag?: readonly string[];
  readonly allowRepository?: readonly string[];
  readonly denyRepository?: readonly string[];
}

export async function listRules({ config, json }: Options): Promise<void> {
  const ask = await berthApi(config, "ecr");
  // A registry has 50 at the most, which are one page.
  const { pullThroughCacheRules: rules } = await ask<{ pullThroughCacheRules: Rule[] }>(
    "DescribePullThroughCacheRules",
    {},
  );
  if (json) return console.log(JSON.stringify(rules));
  const rows = rules.map((rule) => [
    rule.ecrRepositoryPrefix,
    rule.upstreamRegistryUrl,
    rule.upstreamRepositoryPrefix ?? "ROOT",
    rule.credentialArn ?? "none",
  ]);
  printTable(["prefix", "upstream", "its prefix", "credentials"], rows);
  if (rows.length === 0) console.log("there are no pull through cache rules");
}

export async function showOptions(ecrRepositoryPrefix: string, { config, json }: Options): Promise<void> {
  const ask = await berthApi(config);
  show(await ask<RuleOptions>("GetPullThroughOptions", { ecrRepositoryPrefix }), json);
}

/** All that is not given is not said any more. */
export async function setOptions(ecrRepositoryPrefix: string, given: GivenOptions): Promise<void> {
  const { fresh, config, json } = given;
  const freshMs = fresh === undefined ? undefined : duration(0)(fresh);
  if (fresh !== undefined && freshMs === undefined) {
    throw new CommandFailed(`--fresh: given "${fresh}"; allowed: a time, such as 24h, 90m or 0, up to 365d`);
  }
  const input = {
    ecrRepositoryPrefix,
    freshSeconds: freshMs === undefined ? undefined : freshMs / 1000,
    allowTags: given.allowTag,
    denyTags: given.denyTag,
    allowRepositories: given.allowRepository,
    denyRepositories: given.denyRepository,
  };
  const ask = await berthApi(config);
  show(await ask<RuleOptions>("PutPullThroughOptions", input), json);
}

function show(options: RuleOptions, json?: boolean): void {
  if (json) {
    console.log(JSON.stringify(options));
    return;
  }
  const { freshSeconds = 24 * 3600, allowTags, denyTags, allowRepositories, denyRepositories } = options;
  console.log(`tags are compared     ${freshSeconds === 0 ? "at every pull" : `after ${freshSeconds} s`}`);
  console.log(`tags                  ${filters(allowTags, denyTags)}`);
  console.log(`upstream repositories ${filters(allowRepositories, denyRepositories)}`);
}

function filters(allowed: readonly string[] = ["*"], denied: readonly string[] = []): string {
  const without = denied.length > 0 ? `, without ${denied.join(", ")}` : "";
  return printable(`${allowed.join(", ")}${without}`);
}
