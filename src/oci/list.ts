import type { Granted } from "../domain/access.ts";
import { Refusal } from "../domain/errors.ts";
import { parseRepositoryName, type RepositoryName, repositoryArn } from "../domain/names.ts";
import { mediaTypes } from "../domain/registry/manifests.ts";
import type { Image } from "../domain/registry/ports.ts";
import { othersTurn } from "../domain/turns.ts";
import { OciError } from "./errors.ts";
import type { Asked, DataPlane } from "./index.ts";
import type { PageRequest } from "./request.ts";

/** Entries on a page when the client does not say, and at the most. */
const maxPage = 1000;
const maxReferrers = 100;
/** Clients take answers of 4 MiB ("Listing Referrers"); the rest is for what stands around the descriptors. */
const maxReferrersBytes = 3.5 * 1024 * 1024;
/** Few, because each can bring 4 MiB of annotations into memory. */
const referrersAtOnce = 10;
/** Repositories looked at for one catalog page, for callers who may see only a few of very many. */
const maxCatalogScan = 2_000;
/** So many in one go. */
const lookedAtOnce = 50;

/** GET …/tags/list, in the order of byte values. */
export async function listTags(
  { repository, page }: Asked<"tags">,
  granted: Granted,
  { images }: Pick<DataPlane, "images">,
): Promise<Response> {
  const limit = limitOf(page);
  // One more than wanted tells whether there is another page. With n=0 there is none: only existence was asked.
  const found = await images.tags(granted, repository, { after: page.last, limit: limit + 1 });
  const tags = found.slice(0, limit);
  const link = limit > 0 && found.length > limit ? nextLink(`/v2/${repository}/tags/list`, tags.at(-1), page.n) : {};
  return Response.json({ name: repository, tags }, { headers: link });
}

/** GET …/_berth/tags/<tag>/history, newest move first. Ours: docs/extensions.md. */
export async function readTagHistory(
  { repository, tag, n }: Asked<"tag.history">,
  granted: Granted,
  { images }: Pick<DataPlane, "images">,
): Promise<Response> {
  const moves = await images.tagHistory(granted, repository, tag, limitOf({ n }));
  return Response.json({ name: repository, tag, moves: moves.map(({ at, by, from, to }) => ({ at, by, from, to })) });
}

/** Stands before a place in the catalog that is sealed, because who reads it may not know the repository there. No name has it. */
const sealedMark = "~";
const catalogPurpose = "catalog";

/** GET /v2/_catalog: the repositories of the registry that the caller may describe. */
export async function listCatalog(
  { page }: Asked<"catalog">,
  granted: Granted,
  { repositories, access, pageKeys }: Pick<DataPlane, "repositories" | "access" | "pageKeys">,
): Promise<Response> {
  const { caller, registry } = granted;
  const limit = limitOf(page);
  const visible: RepositoryName[] = [];
  let after = page.last === undefined ? undefined : placeIn(page.last, pageKeys);
  let more = limit > 0;
  for (let looked = 0; more && visible.length < limit && looked < maxCatalogScan; ) {
    const batch = await repositories.list(granted, { after, limit: limit + 1 });
    more = batch.length > limit;
    for (const { name } of batch.slice(0, limit)) {
      if (visible.length === limit) {
        more = true;
        break;
      }
      after = name;
      if (++looked % lookedAtOnce === 0) await othersTurn();
      const need = { action: "ecr:DescribeRepositories", resource: repositoryArn(registry, name) } as const;
      if (await access.allows(caller, registry, need)) visible.push(name);
    }
  }
  const last = after === visible.at(-1) ? after : sealedMark + pageKeys.seal(catalogPurpose, after);
  const link = more ? nextLink("/v2/_catalog", last, page.n) : {};
  return Response.json({ repositories: visible }, { headers: link });
}

function placeIn(last: string, pageKeys: DataPlane["pageKeys"]): RepositoryName {
  const opened = last.startsWith(sealedMark) ? pageKeys.open(catalogPurpose, last.slice(sealedMark.length)) : undefined;
  return typeof opened === "string" ? (opened as RepositoryName) : lastName(last);
}

const keyPurpose = "referrers";

/** Where a list goes on, and which. */
interface PageKey {
  readonly list: string;
  readonly after: number;
}

/**
 * GET …/referrers/<digest>: an index of the manifests whose subject is the digest. Empty for an unknown one, even in an
 * unknown repository: clients take a 404 for a registry without this endpoint ("Listing Referrers") and fall back to tags.
 */
export async function listReferrers(
  { repository, subject, artifactType, page }: Asked<"referrers">,
  granted: Granted,
  { images, pullThrough, pageKeys }: Pick<DataPlane, "images" | "pullThrough" | "pageKeys">,
): Promise<Response> {
  const limit = Math.min(page.n || maxReferrers, maxReferrers);
  // What the key is good for stands in it: whoever seals keeps something for each purpose.
  const list = JSON.stringify([granted.registry, repository, subject, artifactType]);
  const opened = page.last === undefined ? undefined : pageKeys.open(keyPurpose, page.last);
  const { list: of, after } = (opened ?? {}) as Partial<PageKey>;
  if (page.last !== undefined && (of !== list || typeof after !== "number")) {
    const message = "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token provided'";
    throw new OciError(400, "UNSUPPORTED", message);
  }
  const artifactTypes = artifactType === undefined ? undefined : [artifactType];
  await pullThrough.referrers(granted, repository, subject);
  const read = (after: number | undefined) =>
    images.referrers(granted, repository, subject, { after, limit: referrersAtOnce, artifactTypes });
  const { shown, more } = await pageOfReferrers(read, after, limit).catch((error) => {
    if (error instanceof Refusal && error.is("RepositoryNotFound")) return { shown: [], more: false };
    throw error;
  });
  const headers = new Headers({ "Content-Type": mediaTypes.ociIndex });
  if (artifactType !== undefined) headers.set("OCI-Filters-Applied", "artifactType");
  if (more) {
    const last = pageKeys.seal(keyPurpose, { list, after: shown.at(-1)?.id });
    const extra: Record<string, string> = artifactType === undefined ? {} : { artifactType };
    const link = nextLink(`/v2/${repository}/referrers/${subject}`, last, page.n, extra);
    headers.set("Link", link.Link);
  }
  const manifests = shown.map(({ encoded }) => encoded).join(",");
  const index = `{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[${manifests}]}`;
  return new Response(index, { headers });
}

/** Annotations come from manifests, so a few referrers can fill a page: it ends before it is too large for clients. */
async function pageOfReferrers(
  read: (after: number | undefined) => Promise<Image[]>,
  from: number | undefined,
  limit: number,
) {
  const shown: { id: number; encoded: string }[] = [];
  let after = from;
  let sizeBytes = 0;
  for (;;) {
    const batch = await read(after);
    for (const image of batch) {
      const encoded = JSON.stringify(referrer(image));
      sizeBytes += Buffer.byteLength(encoded) + 1;
      const isFull = shown.length === limit || (shown.length > 0 && sizeBytes > maxReferrersBytes);
      if (isFull) return { shown, more: true };
      shown.push({ id: image.id, encoded });
    }
    if (batch.length < referrersAtOnce) return { shown, more: false };
    after = batch.at(-1)?.id;
  }
}

function referrer({ mediaType, digest, manifestBytes, artifactType, annotations }: Image) {
  return { mediaType, digest, size: manifestBytes, artifactType, annotations };
}

function limitOf({ n }: PageRequest): number {
  return Math.min(n ?? maxPage, maxPage);
}

/** A name that is none can still be the end of a page: the next one starts behind it, so the order alone counts. */
function lastName(text: string): RepositoryName {
  return parseRepositoryName(text) ?? (text.slice(0, 256) as RepositoryName);
}

function nextLink(path: string, last: string | undefined, n: number | undefined, extra: Record<string, string> = {}) {
  const query = new URLSearchParams({ ...extra, ...(n === undefined ? {} : { n: String(n) }), last: last ?? "" });
  return { Link: `<${path}?${query}>; rel="next"` };
}
