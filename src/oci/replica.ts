import type { Caller, Need } from "../domain/access.ts";
import { type Registry, repositoryArn } from "../domain/names.ts";
import { parseReplicates, type Replicates, replicateHeader } from "../domain/replication/header.ts";
import { replicatorOf } from "../domain/replication/local-target.ts";
import type { Authenticated, Authenticator } from "./authenticate.ts";
import { OciError } from "./errors.ts";
import type { DataPlane } from "./index.ts";
import { imageOf, permissionsFor } from "./permissions.ts";
import type { PushedManifest } from "./push.ts";
import type { OciRequest } from "./request.ts";

/**
 * A request of another Berth that replicates. Whoever signed it must be allowed to act so, by a policy of this server's home
 * account; from there on it is the source account that asks, and `ecr:ReplicateImage` that it needs.
 */

/** What it takes to say for which registry one sends. */
const actAsReplicator: Need["action"] = "berth:ActAsReplicator";

export interface Sent {
  readonly replicates: Replicates;
  readonly authenticated: Authenticated;
}

/**
 * Whom and what a request stands for that says so. `undefined` for an ordinary one.
 * @throws AccessDenied for a signer who may not, OciError for a header that says nothing
 */
export async function sentBy(
  request: Request,
  authenticated: Authenticated,
  { access, home, regions }: Pick<DataPlane, "access" | "home"> & Pick<Authenticator, "regions">,
): Promise<Sent | undefined> {
  const header = request.headers.get(replicateHeader);
  if (header === null) return undefined;
  const replicates = parseReplicates(header);
  if (!replicates) throw new OciError(400, "UNSUPPORTED", `The header ${replicateHeader} must be from=…; to=…`);
  const { from, to } = replicates;
  const { caller } = authenticated;
  const facts = { "berth:sourceaccount": from.account, "berth:sourceregion": from.region };
  await access.grant(caller, home, [{ action: actAsReplicator, resource: "*", facts }]);
  if (regions && !regions.includes(to.region)) {
    throw new OciError(404, "NAME_UNKNOWN", `The region ${to.region} is not served here`);
  }
  const sender: Caller = { ...caller, principal: replicatorOf(from.account, caller.requestId).principal };
  return { replicates, authenticated: { ...authenticated, caller: sender, registry: to } };
}

/** What a sender needs: one permission for all that brings an image, the usual one for what takes one away. */
export function replicaPermissions(asked: OciRequest, registry: Registry, manifest: PushedManifest): Need[] {
  switch (asked.kind) {
    case "base":
    case "manifest.delete":
      return permissionsFor(asked, registry, manifest);
    case "blob.read":
    case "manifest.read":
      if (!asked.head) break;
      return [needOf(asked, registry)];
    case "manifest.write":
      return [{ ...needOf(asked, registry), image: imageOf(asked, manifest) }];
    case "upload.begin":
    case "upload.single":
    case "upload.mount":
    case "upload.write":
    case "upload.commit":
    case "upload.status":
    case "upload.cancel":
      return [needOf(asked, registry)];
  }
  throw new OciError(405, "UNSUPPORTED", "Whoever replicates only brings images");
}

function needOf({ repository }: { repository: Parameters<typeof repositoryArn>[1] }, registry: Registry): Need {
  return { action: "ecr:ReplicateImage", resource: repositoryArn(registry, repository) };
}
