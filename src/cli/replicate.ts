import { type Ask, allOf, berthApi } from "./berth-api.ts";
import { CommandFailed } from "./failure.ts";
import { imageNamed } from "./image-names.ts";
import { printTable } from "./table.ts";
import { count, printable } from "./text.ts";

/** `berth replicate …` */

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

interface Destination {
  readonly region: string;
  readonly registryId: string;
}

interface Backfill {
  readonly replicationBackfillId: string;
  readonly destination: Destination;
  readonly status: string;
  readonly progress?: {
    readonly totalReplicationCount: number;
    readonly completedReplicationCount: number;
    readonly failedReplicationCount: number;
    readonly failureCodes: readonly string[];
  };
  readonly endedAt?: number;
}

const pollMs = 1_000;

export async function replicateImages(name: string, { to, config, json }: Options & { readonly to?: string }) {
  const named = /[:@]/.test(name) ? imageNamed(name) : undefined;
  const ask = await berthApi(config);
  const answer = await ask<{ replicationCount: number }>("ReplicateImages", {
    repositoryName: named?.repositoryName ?? name,
    imageIds: named && [named.imageId],
    destination: to === undefined ? undefined : destinationNamed(to),
  });
  if (json) console.log(JSON.stringify(answer));
  else console.log(`${count(answer.replicationCount, "replica is", "replicas are")} on the way`);
}

export async function replicationStatus(image: string, { config, json }: Options): Promise<void> {
  const ask = await berthApi(config, "ecr");
  const { replicationStatuses } = await ask<{
    replicationStatuses: (Destination & { status: string; failureCode?: string })[];
  }>("DescribeImageReplicationStatus", imageNamed(image));
  if (json) console.log(JSON.stringify(replicationStatuses));
  else if (replicationStatuses.length === 0) console.log("no rule sends it anywhere");
  else {
    printTable(
      ["destination", "status", "why"],
      replicationStatuses.map(({ failureCode = "", status, ...to }) => [nameOf(to), status, failureCode]),
    );
  }
}

export async function backfill(
  destination: string,
  { config, json, wait, stop }: Options & { readonly wait: boolean; readonly stop?: boolean },
): Promise<void> {
  const to = destinationNamed(destination);
  const ask = await berthApi(config, "ecr");
  if (stop) {
    const stopped = await ask<Backfill>("StopReplicationBackfill", { replicationBackfillId: await underWay(ask, to) });
    console.log(json ? JSON.stringify(stopped) : stopped.status);
    return;
  }
  const { replicationBackfillId: id } = await ask<Backfill>("StartReplicationBackfill", { destination: to });
  if (!wait) {
    console.log(json ? JSON.stringify({ replicationBackfillId: id }) : id);
    return;
  }
  const ended = await watch(ask, id, json !== true && process.stderr.isTTY);
  if (json) console.log(JSON.stringify(ended));
  else for (const line of linesOf(ended)) console.log(printable(line));
  if (ended.status !== "COMPLETE" || (ended.progress?.failedReplicationCount ?? 0) > 0) process.exitCode = 1;
}

async function underWay(ask: Ask, to: Destination): Promise<string> {
  for await (const one of allOf<Backfill>(ask, "ListReplicationBackfills", {}, ({ backfills }) => backfills)) {
    if (one.endedAt === undefined && nameOf(one.destination) === nameOf(to)) return one.replicationBackfillId;
  }
  throw new CommandFailed(`no backfill to ${nameOf(to)} is under way`);
}

async function watch(ask: Ask, replicationBackfillId: string, isShown: boolean): Promise<Backfill> {
  for (;;) {
    const now = await ask<Backfill>("DescribeReplicationBackfillResults", { replicationBackfillId, maxResults: 1 });
    if (now.endedAt !== undefined) {
      if (isShown) process.stderr.write("\r\u001b[K");
      return now;
    }
    if (isShown) process.stderr.write(`\r\u001b[K${linesOf(now)[0]}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function linesOf({ status, progress }: Backfill): string[] {
  if (!progress) return [status];
  const { totalReplicationCount: total, completedReplicationCount: done, failedReplicationCount: failed } = progress;
  const line = `${status}: ${done} of ${count(total, "replica")}, ${failed} failed`;
  return failed === 0 ? [line] : [line, `why: ${progress.failureCodes.join(", ")}`];
}

interface ReplicationOptions {
  readonly replicateDeletes: boolean;
  readonly replicateUntags: boolean;
  readonly tagFilters: readonly string[];
  readonly settings: readonly string[];
}

export async function replicationOptions({
  config,
  json,
  deletes,
  untags,
  tags,
  settings,
}: Options & { deletes?: string; untags?: string; tags?: string; settings?: string }): Promise<void> {
  const given = {
    replicateDeletes: isOn("--deletes", deletes),
    replicateUntags: isOn("--untags", untags),
    tagFilters: listed(tags),
    settings: listed(settings),
  };
  const ask = await berthApi(config);
  const isChange = Object.values(given).some((value) => value !== undefined);
  const now = await ask<ReplicationOptions>(isChange ? "PutReplicationOptions" : "GetReplicationOptions", given);
  if (json) {
    console.log(JSON.stringify(now));
    return;
  }
  console.log(`deletes   ${now.replicateDeletes ? "on" : "off"}`);
  console.log(`untags    ${now.replicateUntags ? "on" : "off"}`);
  console.log(printable(`tags      ${now.tagFilters.join(", ") || "all"}`));
  console.log(printable(`settings  ${now.settings.join(", ") || "none"}`));
}

function destinationNamed(text: string): Destination {
  const [, registryId, region] = /^(\d{12})\/([a-z0-9-]+)$/.exec(text) ?? [];
  if (registryId === undefined || region === undefined) {
    throw new CommandFailed(`given "${text}"; allowed: ACCOUNT/REGION, such as 000000000000/eu-west-1`);
  }
  return { region, registryId };
}

const nameOf = ({ registryId, region }: Destination) => `${registryId}/${region}`;

function isOn(option: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text !== "on" && text !== "off") throw new CommandFailed(`${option}: given "${text}"; allowed: on, off`);
  return text === "on";
}

function listed(text: string | undefined): string[] | undefined {
  return text?.split(",").flatMap((item) => item.trim() || []);
}
