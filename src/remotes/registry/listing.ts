import { digestAlgorithm, digestHex, parseDigest } from "../../domain/names.ts";
import { maxManifestBytes, mediaTypes } from "../../domain/registry/manifests.ts";
import {
  type RemoteDescriptor,
  RemoteFailure,
  type RemoteProblem,
  type RemoteRegistry,
} from "../../domain/registry/remote-registry.ts";
import { objectIn } from "../keeper-calls.ts";
import type { Calls } from "./calls.ts";
import { isUnknown } from "./failures.ts";
import { catalogScope, pathOf, pullScope } from "./paths.ts";
import type { Reply } from "./reply.ts";
import type { Scopes } from "./signing-in.ts";

type Listing = Pick<RemoteRegistry, "tags" | "repositories" | "referrers">;

const pageSize = 1000;
const maxPageBytes = 4 * 1024 * 1024;
/** Of one list. A registry that has more has them in vain. */
const maxEntries = 1_000_000;
const maxPages = 20_000;
const maxReferrers = 10_000;
const maxReferrersBytes = 32 * 1024 * 1024;
const maxNameLength = 256;
/** Distribution specification, "Referrers Tag Schema". */
const maxTagHexLength = 64;
const maxLinkLength = 8 * 1024;

interface List {
  readonly path: string;
  readonly member: "tags" | "repositories";
  readonly scopes: Scopes;
  readonly signal: AbortSignal;
}

export function createListing(calls: Calls): Listing {
  const nonsense = (what: string) => new RemoteFailure("nonsense", `${calls.host} answered ${what}`);

  /** The pages of a list, each in its turn; a list that is not there has none. */
  async function* pages(
    start: string,
    scopes: Scopes,
    signal: AbortSignal,
    accept: string,
    unlinked: () => string | undefined = () => undefined,
  ): AsyncIterable<Reply> {
    const first = new URL(start, "https://path");
    let path: string | URL = start;
    for (let count = 0; ; count++) {
      if (count === maxPages) throw nonsense("with too many pages");
      const reply = await calls.ask({
        method: "GET",
        path,
        scopes,
        signal,
        headers: { accept },
        redirects: "manifests",
      });
      if (reply.status !== 200) {
        const failure = await calls.failure(reply);
        if (count === 0 && isUnknown(failure)) return;
        throw failure;
      }
      yield reply;
      const next: string | undefined = nextPage(reply) ?? unlinked();
      if (next === undefined) return;
      if (next === path) throw nonsense("with a link to the same page");
      path = next;
    }

    /** The target of `Link: <…>; rel="next"` (RFC 8288): the same list, at the same place, and no other. */
    function nextPage({ headers, url }: Reply): string | undefined {
      const { link } = headers;
      const header = Array.isArray(link) ? link.join(", ") : link;
      const [, target] = /<([^<>]*)>\s*;(?:[^,]*;)?\s*rel="?next"?/i.exec(header?.slice(0, maxLinkLength) ?? "") ?? [];
      if (target === undefined) return undefined;
      if (!URL.canParse(target, url.href)) throw nonsense("with a link to nowhere");
      const next = new URL(target, url.href);
      if (next.host !== url.host) throw new RemoteFailure("out-of-bounds", `${calls.host} links to another host`);
      if (next.pathname !== url.pathname)
        throw new RemoteFailure("out-of-bounds", `${calls.host} links to another list`);
      return first.pathname + next.search;
    }
  }

  async function* names({ path, member, scopes, signal }: List): AsyncIterable<string> {
    let count = 0;
    let first: string | undefined;
    let last: string | undefined;
    /** One page; the rest of a list whose pages have no links is asked for after its last entry. */
    async function* page(reply: Reply): AsyncIterable<string> {
      const list = objectIn((await reply.whole(maxPageBytes)).toString("utf8"))[member];
      last = undefined;
      // A repository whose tags are all gone has null in some registries.
      if (list === null) return;
      if (!Array.isArray(list)) throw nonsense(`with no list of ${member}`);
      // Who does not know pages sends everything each time.
      if (list.length === 0 || list[0] === first) return;
      first = list[0];
      for (const name of list) {
        if (typeof name !== "string" || name === "" || name.length > maxNameLength)
          throw nonsense("with what is no name");
        if (++count > maxEntries) throw nonsense(`with more than ${maxEntries} ${member}`);
        yield name;
      }
      if (list.length >= pageSize) last = list.at(-1);
    }
    const after = () => (last === undefined ? undefined : `${path}?n=${pageSize}&last=${encodeURIComponent(last)}`);
    for await (const reply of pages(`${path}?n=${pageSize}`, scopes, signal, "application/json", after)) {
      yield* page(reply);
    }
  }

  /** Of all pages of an index; `undefined` where there is none. */
  async function descriptors(path: string, repository: string, signal: AbortSignal) {
    let found: RemoteDescriptor[] | undefined;
    let sizeBytes = 0;
    for await (const reply of pages(path, [pullScope(repository)], signal, mediaTypes.ociIndex)) {
      found ??= [];
      const page = await reply.whole(maxManifestBytes);
      sizeBytes += page.length;
      if (sizeBytes > maxReferrersBytes) throw nonsense("with more of referrers than we take");
      const { manifests } = objectIn(page.toString("utf8"));
      if (!Array.isArray(manifests)) throw nonsense("with no list of referrers");
      for (const entry of manifests) {
        const descriptor = descriptorOf(entry);
        if (!descriptor) throw nonsense("with what is no descriptor");
        found.push(descriptor);
      }
      if (found.length > maxReferrers) throw nonsense(`with more than ${maxReferrers} referrers`);
    }
    return found;
  }

  return {
    tags: (repository, { signal }) =>
      names({ path: pathOf(repository, "tags/list"), member: "tags", scopes: [pullScope(repository)], signal }),
    repositories: ({ signal }) =>
      names({ path: "/v2/_catalog", member: "repositories", scopes: [catalogScope], signal }),

    async referrers(repository, subject, { signal }) {
      const byApi = await descriptors(pathOf(repository, `referrers/${subject}`), repository, signal).catch((error) => {
        if (!(error instanceof RemoteFailure) || !meansNoApi.has(error.problem)) throw error;
        return undefined;
      });
      if (byApi) return byApi;
      const tag = `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, maxTagHexLength)}`;
      return (await descriptors(pathOf(repository, `manifests/${tag}`), repository, signal)) ?? [];
    },
  };
}

/** Who knows no referrers API answers its path in many ways: with an error, a redirect to a web site, or a page of that. */
const meansNoApi = new Set<RemoteProblem>(["refused", "out-of-bounds", "nonsense"]);

function descriptorOf(value: unknown): RemoteDescriptor | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { digest: text, mediaType, size, artifactType, annotations } = value as Record<string, unknown>;
  const digest = typeof text === "string" ? parseDigest(text) : undefined;
  if (!digest || typeof mediaType !== "string" || !Number.isSafeInteger(size) || (size as number) < 0) return undefined;
  const texts = Object.entries(typeof annotations === "object" && annotations !== null ? annotations : {});
  const isGood = texts.every(([, text]) => typeof text === "string");
  return {
    digest,
    mediaType,
    sizeBytes: size as number,
    ...(typeof artifactType === "string" && artifactType !== "" && { artifactType }),
    ...(texts.length > 0 && isGood && { annotations: Object.fromEntries(texts) as Record<string, string> }),
  };
}
