import { RemoteFailure, type RemoteTarget } from "../../domain/registry/remote-registry.ts";
import { failureOf } from "./failures.ts";
import { isAmong } from "./hosts.ts";
import type { Reply } from "./reply.ts";
import type { Scopes, SigningIn } from "./signing-in.ts";
import type { Question, Transport } from "./transport.ts";

/** Requests of one registry, signed in and led where they may go. */
export interface Calls {
  readonly host: string;
  /** Any answer but those that mean a failure for whatever was asked. @throws RemoteFailure */
  ask(asked: Asked): Promise<Reply>;
  /** What an answer that is not wanted means. */
  failure(reply: Reply): Promise<RemoteFailure>;
}

export interface Asked extends Pick<Question, "body" | "signal"> {
  readonly method: string;
  /** A path, or a URL of the registry's own origin. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly scopes: Scopes;
  /** Where a redirect may lead. Left out: nowhere but within the origin. */
  readonly redirects?: "blobs" | "manifests";
}

const maxRedirects = 5;
const maxErrorBytes = 64 * 1024;
const minSecretLength = 8;

export interface CallsParts {
  readonly target: RemoteTarget;
  readonly transport: Transport;
  /** For redirects that may not reach as far as the registry may. */
  readonly outside?: Transport;
  readonly signingIn: SigningIn;
  readonly clock: () => Date;
}

export function createCalls({ target, transport, outside, signingIn, clock }: CallsParts): Calls {
  const origin = new URL(target.origin);
  const common = { "accept-encoding": "identity", "user-agent": "Berth" };

  // Short ones are no secrets, and their letters are in every text.
  const headerSecrets = Object.values(target.headers ?? {}).filter((value) => value.length >= minSecretLength);

  async function follow(asked: Asked, authorization: string | undefined): Promise<Reply> {
    const { method, headers, body, signal, redirects } = asked;
    let url = new URL(asked.path, origin);
    for (let count = 0; ; count++) {
      const isHome = url.origin === origin.origin;
      // What is for the registry goes nowhere else, and is not sent again by way of another host.
      const own = isHome ? { ...target.headers, ...(authorization && { authorization }) } : {};
      const question = { method, url, headers: { ...common, ...headers, ...own }, body, signal };
      const isNear = isHome || isAmong(target.elsewhere?.but, url);
      const reply = await ((!isNear && outside) || transport).ask(question);
      if (![301, 302, 303, 307, 308].includes(reply.status) || (method !== "GET" && method !== "HEAD")) return reply;
      reply.discard();
      if (count === maxRedirects) throw new RemoteFailure("nonsense", `${origin.host} redirects without an end`);
      url = redirected(url, reply.headers.location, redirects);
    }
  }

  function redirected(from: URL, location: string | undefined, kind: Asked["redirects"]): URL {
    if (location === undefined || !URL.canParse(location, from.href)) {
      throw new RemoteFailure("nonsense", `${origin.host} redirects to nowhere`);
    }
    const to = new URL(location, from.href);
    const bad = (why: string) => new RemoteFailure("out-of-bounds", `${origin.host} redirects to ${to.host}, ${why}`);
    if (to.protocol !== "https:" && to.protocol !== from.protocol) throw bad("which has no TLS");
    if (to.origin === origin.origin) return to;
    const { blobHosts, manifestHosts = [], tokenHosts = [] } = target;
    const mayGo =
      kind === "blobs" ? !blobHosts || isAmong(blobHosts, to) : kind && isAmong([...manifestHosts, ...tokenHosts], to);
    if (!mayGo) throw bad("which is not among its hosts");
    return to;
  }

  return {
    host: origin.host,
    ask: (asked) => signingIn.send(asked.scopes, asked.signal, (authorization) => follow(asked, authorization)),
    async failure(reply) {
      // A body that cannot be read says nothing more than the status.
      const text = await reply.whole(maxErrorBytes).then(String, () => "");
      const { status, headers } = reply;
      const refused = { status, retryAfter: headers["retry-after"], text };
      return failureOf(reply.url.host, refused, [...signingIn.secrets(), ...headerSecrets], clock());
    },
  };
}
