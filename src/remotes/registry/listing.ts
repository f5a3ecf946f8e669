import { parseDigest } from "../../domain/names.ts";
import { maxManifestBytes, mediaTypes } from "../../domain/registry/manifests.ts";
import { type RemoteDescriptor, RemoteFailure, type RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import { objectIn } from "../keeper-calls.ts";
import type { Calls } from "./calls.ts";
import { catalogScope, pathOf, pullScope } from "./paths.ts";
import type { Scopes } from "./signing-in.ts";
import type { Reply } from "./transport.ts";

type Listing = Pick<RemoteRegistry, "tags" | "repositories" | "referrers">;

const pageSize = 1000;
const maxPageBytes = 4 * 1024 * 1024;
/** Of one list. A registry that has more has them in vain. */
const maxEntries = 1_000_000;
const maxPages = 20_000;
const maxReferrers = 100_000;
const maxNameLength = 256;

interface List {
  readonly path: string;
  readonly member: "tags" | "repositories";
  readonly scopes: Scopes;
  readonly signal: AbortSignal;
}

export function createListing(calls: Calls): Listing {
  const nonsense = (what: string) => new RemoteFailure("nonsense", `${calls.host} answered ${what}`);

  /** The pages of a list, each in its turn; a list that is not there has none. */
  async function* pages(start: string, scopes: Scopes, signal: AbortSignal, accept: string): AsyncIterable<Reply> {
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
      if (reply.status === 404 && count === 0) {
        reply.discard();
        return;
      }
      if (reply.status !== 200) throw await calls.failure(reply);
      yield reply;
      const next = nextPage(reply);
      if (next === undefined) return;
      path = next;
    }

    /** The target of `Link: <…>; rel="next"` (RFC 8288): the same list, at the same place, and no other. */
    function nextPage({ headers, url }: Reply): string | undefined {
      const { link } = headers;
      const header = Array.isArray(link) ? link.join(", ") : link;
      const [, target] = /<([^<>]{0,4096})>\s*;(?:[^,]*;)?\s*rel="?next"?/i.exec(header ?? "") ?? [];
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
    let last: string | undefined;
    for await (const reply of pages(`${path}?n=${pageSize}`, scopes, signal, "application/json")) {
      const list = objectIn((await reply.whole(maxPageBytes)).toString("utf8"))[member];
      // A repository whose tags are all gone has null in some registries.
      if (list === null) return;
      if (!Array.isArray(list)) throw nonsense(`with no list of ${member}`);
      const first = list[0];
      if (first !== undefined && first === last) throw nonsense("with the same page again");
      last = first;
      for (const name of list) {
        if (typeof name !== "string" || name === "" || name.length > maxNameLength)
          throw nonsense("with what is no name");
        if (++count > maxEntries) throw nonsense(`with more than ${maxEntries} ${member}`);
        yield name;
      }
    }
  }

  return {
    tags: (repository, { signal }) =>
      names({ path: pathOf(repository, "tags/list"), member: "tags", scopes: [pullScope(repository)], signal }),
    repositories: ({ signal }) =>
      names({ path: "/v2/_catalog", member: "repositories", scopes: [catalogScope], signal }),

    async referrers(repository, subject, { signal }) {
      const scopes = [pullScope(repository)];
      const accept = mediaTypes.ociIndex;
      const found: RemoteDescriptor[] = [];
      let isApi = false;
      const take = async (reply: Reply) => {
        const { manifests } = objectIn((await reply.whole(maxManifestBytes)).toString("utf8"));
        if (!Array.isArray(manifests)) throw nonsense("with no list of referrers");
        for (const entry of manifests)
          found.push(
            descriptorOf(entry) ??
              (() => {
                throw nonsense("with no descriptor");
              })(),
          );
        if (found.length > maxReferrers) throw nonsense(`with more than ${maxReferrers} referrers`);
      };
      for await (const reply of pages(pathOf(repository, `referrers/${subject}`), scopes, signal, accept)) {
        isApi = true;
        await take(reply);
      }
      if (isApi) return found;
      const tag = subject.replace(":", "-").slice(0, 128);
      for await (const reply of pages(pathOf(repository, `manifests/${tag}`), scopes, signal, accept))
        await take(reply);
      return found;
    },
  };
}

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
