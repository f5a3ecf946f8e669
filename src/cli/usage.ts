import { berthApi } from "./berth-api.ts";
import { CommandFailed } from "./failure.ts";
import { tableText } from "./table.ts";
import { count, size } from "./text.ts";

interface Figures {
  readonly imageCount: number;
  readonly untaggedImageCount: number;
  readonly archivedImageCount: number;
  readonly layerCount: number;
  readonly layerBytes: number;
  readonly uniqueBytes: number;
  readonly sharedBytes: number;
  readonly archivedBytes: number;
  readonly manifestBytes: number;
  readonly waitingBytes: number;
  readonly repositoryCount?: number;
  readonly logicalBytes?: number;
}

interface RepositoryAnswer {
  readonly repositoryName: string;
  readonly accuracy: string;
  /** Seconds since 1970. */
  readonly measuredAt: number;
  readonly usage: Figures;
}

interface ListAnswer {
  readonly measuredAt?: number;
  readonly registry?: Figures;
  readonly repositories: readonly (Figures & { readonly repositoryName: string })[];
  readonly nextToken?: string;
}

interface HistoryAnswer {
  readonly days: readonly (Figures & { readonly day: string; readonly measuredAt: number })[];
  readonly nextToken?: string;
}

export interface UsageOptions {
  readonly config?: string;
  readonly history?: boolean;
  readonly limit: string;
  readonly json?: boolean;
}

const mostListed = 10_000;
const listedAtOnce = 1_000;

/** What storage is used for: of a repository now, of all by size, or day by day. */
export async function usage(repositoryName: string | undefined, options: UsageOptions): Promise<void> {
  const { config, history, json } = options;
  const limit = limitOf(options.limit);
  const ask = await berthApi(config);
  if (history) {
    const days: HistoryAnswer["days"][number][] = [];
    await pages(limit, async (page) => {
      const answer = await ask<HistoryAnswer>("GetUsageHistory", { repositoryName, ...page });
      return { ...answer, got: days.push(...answer.days) };
    });
    return console.log(json ? JSON.stringify({ days }, null, 2) : historyText(days));
  }
  if (repositoryName !== undefined) {
    const answer = await ask<RepositoryAnswer>("GetRepositoryUsage", { repositoryName });
    return console.log(json ? JSON.stringify(answer, null, 2) : repositoryText(answer));
  }
  const repositories: ListAnswer["repositories"][number][] = [];
  let first: ListAnswer | undefined;
  await pages(limit, async (page) => {
    const answer = await ask<ListAnswer>("ListUsage", page);
    first ??= answer;
    return { ...answer, got: repositories.push(...answer.repositories) };
  });
  const { nextToken: _, ...answer } = { ...first, repositories };
  console.log(json ? JSON.stringify(answer, null, 2) : listText(answer));
}

async function pages(
  limit: number,
  read: (page: { maxResults: number; nextToken?: string }) => Promise<{ nextToken?: string; got: number }>,
): Promise<void> {
  let nextToken: string | undefined;
  for (let got = 0; got < limit; ) {
    const page = await read({ maxResults: Math.min(listedAtOnce, limit - got), nextToken });
    ({ got, nextToken } = page);
    if (nextToken === undefined) return;
  }
}

const timeText = (seconds: number) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;

function listText({ measuredAt, registry, repositories }: ListAnswer): string {
  if (measuredAt === undefined || registry === undefined) return "nothing was measured yet; ask about one repository";
  const numbers = new Set([1, 2, 3, 4, 5]);
  const rows = repositories.map((each) => [each.repositoryName, ...columnsOf(each)]);
  const total = [
    `${count(registry.repositoryCount ?? 0, "repository", "repositories")}, ${count(registry.imageCount, "image")}`,
    `${size(registry.layerBytes)} of layers, each once (${size(registry.logicalBytes ?? 0)} if none were shared)`,
    `${size(registry.archivedBytes)} archived, ${size(registry.manifestBytes)} of manifests`,
    `${size(registry.waitingBytes)} wait for garbage collection`,
  ];
  const table = rows.length === 0 ? [] : [tableText(["repository", ...columns], rows, numbers), ""];
  return [...table, ...total, `measured ${timeText(measuredAt)}`].join("\n");
}

const columns = ["images", "bytes", "unique", "shared", "archived"];

function columnsOf({ imageCount, layerBytes, uniqueBytes, sharedBytes, archivedBytes }: Figures): string[] {
  return [imageCount.toLocaleString("en"), ...[layerBytes, uniqueBytes, sharedBytes, archivedBytes].map(size)];
}

const accuracies: Readonly<Record<string, string>> = {
  EXACT: "counted",
  MEASURED: "an estimate: too much to count at once, so as measured",
  LOWER_BOUND:
    "an estimate: too much to count at once, and not measured yet, so at least; unique is not known; counted",
};

function repositoryText({ repositoryName, accuracy, measuredAt, usage }: RepositoryAnswer): string {
  const { imageCount, untaggedImageCount, archivedImageCount, layerCount } = usage;
  const details = [
    `${untaggedImageCount.toLocaleString("en")} untagged`,
    `${archivedImageCount.toLocaleString("en")} archived`,
  ];
  const rows: [string, string][] = [
    ["images", `${imageCount.toLocaleString("en")} (${details.join(", ")})`],
    ["layers", `${layerCount.toLocaleString("en")}, ${size(usage.layerBytes)}`],
    ["  unique", `${size(usage.uniqueBytes)}, freed if the repository went`],
    ["  shared", size(usage.sharedBytes)],
    ["  archived", size(usage.archivedBytes)],
    ["manifests", size(usage.manifestBytes)],
    ["waiting", `${size(usage.waitingBytes)}, for garbage collection`],
  ];
  const lines = rows.map(([name, text]) => `  ${name.padEnd(12)}${text}`);
  return [repositoryName, ...lines, `${accuracies[accuracy] ?? accuracy} ${timeText(measuredAt)}`].join("\n");
}

function historyText(days: HistoryAnswer["days"]): string {
  if (days.length === 0) return "nothing was measured yet";
  const rows = days.map((day) => [day.day, ...columnsOf(day)]);
  return tableText(["day", ...columns], rows, new Set([1, 2, 3, 4, 5]));
}

function limitOf(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= mostListed) return limit;
  throw new CommandFailed(`--limit: given "${text}"; allowed: a whole number from 1 to ${mostListed}`);
}
