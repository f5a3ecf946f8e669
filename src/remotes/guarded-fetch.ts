import { type Answer, exchange, type Limits, NotFetched } from "./exchange.ts";
import { createGuard, resolveAll } from "./guard.ts";

export interface Reachable {
  /** Whether hosts inside of our own network may be asked. */
  readonly allowPrivate: boolean;
  /** Whether this machine may be asked without TLS. */
  readonly allowInsecure: boolean;
}

const maxRedirects = 3;

/**
 * Gets a document from an address that somebody else chose. It connects to exactly the address that was looked at, so
 * that a name cannot lead elsewhere the second time it is resolved, and follows redirects within the origin only.
 * @throws NotFetched, and whatever the network says
 */
export async function guardedGet(start: URL, reachable: Reachable, limits: Limits): Promise<Answer> {
  const signal = AbortSignal.timeout(limits.timeoutMs);
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const answer = await getOnce(url, reachable, limits, signal);
    if (answer.status < 300 || answer.status >= 400) return answer;
    const { location } = answer.headers;
    if (typeof location !== "string" || !URL.canParse(location, url.href))
      throw new NotFetched("a redirect to nowhere");
    const next = new URL(location, url.href);
    if (next.origin !== url.origin) throw new NotFetched("a redirect to another host");
    if (redirects === maxRedirects) throw new NotFetched("too many redirects");
    url = next;
  }
}

async function getOnce(url: URL, reachable: Reachable, limits: Limits, signal: AbortSignal): Promise<Answer> {
  const isPlain = url.protocol === "http:";
  if (!isPlain && url.protocol !== "https:") throw new NotFetched(`${url.protocol} is not spoken`);
  if (isPlain && !reachable.allowInsecure) throw new NotFetched("no TLS");
  if (url.username !== "" || url.password !== "") throw new NotFetched("a URL with a password");
  const guard = isPlain ? plain : reachable.allowPrivate ? anywhere : outside;
  guard.checkHost(url.hostname);
  const headers = { accept: "application/json", "user-agent": "Berth" };
  return exchange({ url, lookup: guard.lookup, headers }, limits, signal);
}

const plain = createGuard((reach) => reach === "loopback", resolveAll, "no TLS");
const anywhere = createGuard(() => true);
const outside = createGuard((reach) => reach === "public");
