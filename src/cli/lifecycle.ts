import { type Ask, berthApi } from "./berth-api.ts";
import { CommandFailed, describeFailure } from "./failure.ts";
import { imageNamed } from "./image-names.ts";
import { documentIn } from "./retain.ts";
import { count, printable, size } from "./text.ts";
import { isoTime } from "./times.ts";

/** `berth lifecycle explain` and `diff`: what policies do with images, and why. */

interface Options {
  readonly config?: string;
  readonly retention?: string;
  readonly limit: string;
  readonly json?: boolean;
}

interface Decided {
  readonly action: "EXPIRE" | "TRANSITION" | "KEEP";
  readonly appliedRulePriority?: number;
  readonly reasonCode: string;
  readonly reason: string;
}

interface Image {
  readonly imageDigest: string;
  readonly imageTags: readonly string[];
  readonly imageTagCount: number;
  readonly imagePushedAt: number;
}

type Explained = Image & Decided;
type Change = Image & { readonly before?: Decided; readonly after?: Decided };

interface Summary {
  readonly expiringImageCount: number;
  readonly expiringSizeInBytes: number;
  readonly transitioningImageCount: number;
  readonly transitioningSizeInBytes: number;
}

interface Page {
  readonly evaluatedAt: number;
  readonly nextToken?: string;
}

/** 1 says that there are differences. */
const couldNotRun = 2;
const mostListed = 1_000_000;
const listedAtOnce = 1000;

export async function explainLifecycle(name: string, options: Options & { readonly policy?: string }): Promise<void> {
  const { config, policy, retention, json } = options;
  const most = limitOf(options.limit);
  const asked = await documentsOf(policy, retention);
  const { repositoryName, imageId } = /[:@]/.test(name) ? imageNamed(name) : { repositoryName: name };
  const input = { repositoryName, ...asked, imageIds: imageId && [imageId] };
  const ask = await berthApi(config);
  const { first, items } = await pagesOf<Page & { summary: Summary; images: Explained[] }, Explained>(ask, {
    operation: "ExplainLifecycle",
    input,
    most: imageId ? 1 : most,
    itemsOf: ({ images }) => images,
  });
  if (json) return printJson({ summary: first.summary, images: items.map(inJson) }, first);
  for (const image of items) {
    console.log(printable(`${verbs[image.action].padEnd(8)}  ${nameOf(image)}`));
    console.log(printable(`          ${image.reason}`));
  }
  if (imageId === undefined) console.log(totalOf("all together", first.summary));
}

export async function diffLifecycle(
  repositoryName: string,
  file: string | undefined,
  { config, retention, limit, json }: Options,
): Promise<void> {
  try {
    await compare(repositoryName, file, { config, retention, limit, json });
  } catch (error) {
    console.error(describeFailure(error));
    process.exitCode = couldNotRun;
  }
}

async function compare(repositoryName: string, file: string | undefined, options: Options): Promise<void> {
  const { config, retention, json } = options;
  if ((file ?? retention) === undefined) throw new CommandFailed("give a policy, or --retention, or both");
  const most = limitOf(options.limit);
  const input = { repositoryName, ...(await documentsOf(file, retention)) };
  const ask = await berthApi(config);
  const { first, items } = await pagesOf<Page & { before: Summary; after: Summary; changes: Change[] }, Change>(ask, {
    operation: "DiffLifecyclePolicy",
    input,
    most,
    itemsOf: ({ changes }) => changes,
  });
  if (items.length > 0) process.exitCode = 1;
  if (json) return printJson({ before: first.before, after: first.after, changes: items.map(inJson) }, first);
  for (const change of items) {
    const { before, after } = change;
    console.log(printable(nameOf(change)));
    for (const [title, decided] of [["- today", before] as const, ["+ then", after] as const]) {
      if (!decided) continue;
      const { action, reason } = decided;
      console.log(printable(`${title.padEnd(7)}  ${verbs[action].padEnd(7)}  ${reason}`));
    }
  }
  console.log(totalOf("today", first.before));
  console.log(totalOf("then", first.after));
}

const verbs = { EXPIRE: "expire", TRANSITION: "archive", KEEP: "keep" } as const;

interface Listing<Answer, Item> {
  readonly operation: string;
  readonly input: object;
  readonly most: number;
  itemsOf(page: Answer): readonly Item[];
}

/** Every page is of the time of the first one. */
async function pagesOf<Answer extends Page, Item>(
  ask: Ask,
  { operation, input, most, itemsOf }: Listing<Answer, Item>,
) {
  const items: Item[] = [];
  let first: Answer | undefined;
  for (let nextToken: string | undefined; ; ) {
    const maxResults = Math.min(listedAtOnce, most - items.length);
    const page = await ask<Answer>(operation, { ...input, maxResults, nextToken });
    first ??= page;
    items.push(...itemsOf(page));
    nextToken = page.nextToken;
    if (nextToken === undefined || items.length >= most) return { first, items };
  }
}

async function documentsOf(policy: string | undefined, retention: string | undefined) {
  if (policy === "-" && retention === "-") throw new CommandFailed("only one of the two can be on standard input");
  return {
    lifecyclePolicyText: policy === undefined ? undefined : await documentIn(policy),
    retentionText: retention === undefined ? undefined : await documentIn(retention),
  };
}

function nameOf({ imageDigest, imageTags, imageTagCount, imagePushedAt }: Image): string {
  const more = imageTagCount > imageTags.length ? ` and ${count(imageTagCount - imageTags.length, "more tag")}` : "";
  const tags = imageTags.length === 0 ? "" : `  ${imageTags.join(" ")}${more}`;
  return `${imageDigest}  pushed ${isoTime(imagePushedAt)}${tags}`;
}

function totalOf(title: string, summary: Summary): string {
  const { expiringImageCount, expiringSizeInBytes, transitioningImageCount, transitioningSizeInBytes } = summary;
  const expired = `${count(expiringImageCount, "image")} (${size(expiringSizeInBytes)}) deleted`;
  return `${title}: ${expired}, ${transitioningImageCount.toLocaleString("en")} (${size(transitioningSizeInBytes)}) archived`;
}

function inJson<Some extends Image>(image: Some) {
  return { ...image, imagePushedAt: isoTime(image.imagePushedAt) };
}

function printJson(answer: object, { evaluatedAt }: Page): void {
  console.log(JSON.stringify({ evaluatedAt: isoTime(evaluatedAt), ...answer }));
}

function limitOf(text: string): number {
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > mostListed) {
    throw new CommandFailed(`--limit: given "${text}"; allowed: a whole number from 1 to ${mostListed}`);
  }
  return limit;
}
