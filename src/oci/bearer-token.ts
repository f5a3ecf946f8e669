import type { Arrival } from "../domain/access.ts";
import type { BearerScope, BearerTokens, RepositoryScope } from "../domain/identity/bearer-tokens.ts";
import { anonymous } from "../domain/identity/credentials.ts";
import { type AccountId, parseRepositoryName, type Registry } from "../domain/names.ts";
import type { Rates } from "../domain/rates.ts";
import type { RegistryResources } from "../domain/registry/resource-policies.ts";
import { type Authenticator, registryOf, signIn } from "./authenticate.ts";
import { NotAuthenticated, OciError } from "./errors.ts";
import { permissions, type ScopeAction } from "./permissions.ts";
import type { OciRequest } from "./request.ts";

/** How people come in who have not signed in. Without it, nobody does. */
export interface PublicAccess {
  readonly tokens: BearerTokens;
  /** Whose registry is meant by those who have no account, on a host that names none. */
  readonly account: AccountId;
}

type Incarnations = Pick<RegistryResources, "incarnation">;

export const tokenPath = "/v2/token";

const signedInByNone = { principal: anonymous, accessKeyId: undefined, longTermKeyId: undefined };

/** A client asks for a few repositories: the one it works with, and those it wants to mount from. */
const maxScopes = 16;

/**
 * GET /v2/token (Distribution, "Token authentication specification"): a token for whoever is signed in, else an anonymous
 * one. Whether its bearer may do what it asks for is not said here, only at each request.
 */
export async function issueToken(
  request: Request,
  url: URL,
  arrival: Arrival,
  plane: Authenticator & { readonly publicAccess: PublicAccess; readonly rates?: Rates },
): Promise<Response> {
  if (request.method !== "GET") {
    // Containerd asks by POST first, and by GET after exactly this.
    throw new OciError(405, "UNSUPPORTED", "Tokens are to be had by GET", { Allow: "GET" });
  }
  const isSignedIn = request.headers.has("authorization");
  const { principal, accessKeyId, longTermKeyId } = isSignedIn ? await signIn(request, url, plane) : signedInByNone;
  arrival.note({ operation: "token", principal: principal.arn });
  const registry = registryOf(url, principal, plane);
  plane.rates?.take(principal, registry.region, ["GetAuthorizationToken"]);
  const scope = await scopeOf(url.searchParams.getAll("scope"), registry, plane.resources);
  const { token, issuedAt, expiresInSeconds } = plane.publicAccess.tokens.issue({
    principal,
    accessKeyId,
    longTermKeyId,
    scope,
  });
  const body = { token, access_token: token, expires_in: expiresInSeconds, issued_at: issuedAt.toISOString() };
  return Response.json(body, { headers: { "Cache-Control": "no-store" } });
}

/** `repository:NAME:pull,push`, several in one parameter or in several. What is nothing of ours opens nothing. */
async function scopeOf(texts: readonly string[], registry: Registry, resources: Incarnations): Promise<BearerScope> {
  const wanted = texts.flatMap((text) => text.split(" ")).filter((text) => text !== "");
  if (wanted.length > maxScopes) throw new OciError(400, "UNSUPPORTED", `At most ${maxScopes} scopes can be asked for`);
  const repositories: RepositoryScope[] = [];
  for (const text of wanted) {
    const [, nameText = "", actions = ""] = /^repository:([^:]+):([a-z,*]{1,64})$/.exec(text) ?? [];
    const repository = parseRepositoryName(nameText);
    if (!repository) continue;
    const incarnation = await resources.incarnation(registry, repository);
    repositories.push({ repository, actions: actions.split(","), incarnation });
  }
  return { repositories, catalog: wanted.includes("registry:catalog:*") };
}

/**
 * The request as far as the token opens it: a mount from elsewhere is an upload that begins.
 * @throws NotAuthenticated for what is outside of the token's scope, so that the client asks for another token
 */
export async function withinScope(
  asked: OciRequest,
  scope: BearerScope,
  registry: Registry,
  resources: Incarnations,
): Promise<OciRequest> {
  const opens = async (name: string, action: ScopeAction) => {
    const named = scope.repositories.find(({ repository, actions }) => {
      return repository === name && (actions.includes(action) || actions.includes("*"));
    });
    return named && named.incarnation === (await resources.incarnation(registry, named.repository));
  };
  if (asked.kind === "catalog" && !scope.catalog) throw new NotAuthenticated({ reason: "insufficient_scope" });
  if (!("repository" in asked)) return asked;
  if (!(await opens(asked.repository, permissions[asked.kind].scope)))
    throw new NotAuthenticated({ reason: "insufficient_scope" });
  if (asked.kind !== "upload.mount") return asked;
  const mayMount = asked.from !== undefined && (await opens(asked.from, "pull"));
  return mayMount ? asked : { kind: "upload.begin", repository: asked.repository };
}

/** What a client needs to ask for to have a request answered. */
export function scopeFor(asked: OciRequest | undefined): string | undefined {
  if (asked?.kind === "catalog") return "registry:catalog:*";
  if (!asked || !("repository" in asked)) return undefined;
  const action = permissions[asked.kind].scope;
  const actions = action === "push" ? "pull,push" : action;
  const mount = asked.kind === "upload.mount" && asked.from !== undefined ? ` repository:${asked.from}:pull` : "";
  return `repository:${asked.repository}:${actions}${mount}`;
}
