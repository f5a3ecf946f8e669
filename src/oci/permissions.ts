import type { Need } from "../domain/access.ts";
import { type Registry, repositoryArn } from "../domain/names.ts";
import { pushedFacts } from "../domain/registry/image-facts.ts";
import type { PushedManifest } from "./push.ts";
import type { OciRequest } from "./request.ts";

/** What a token's scope must name for a request (Distribution, "Token scope documentation"). */
export type ScopeAction = "pull" | "push" | "delete";

interface Permission {
  /** IAM actions on the repository. */
  readonly actions: readonly Need["action"][];
  /** Absent where every token will do. */
  readonly scope?: ScopeAction;
}

/**
 * Every route of the data plane, and what it takes, as ECR maps it (ECR user guide, "Required IAM permissions for
 * pushing an image"; service authorization reference). A kind without a row does not compile.
 */
export const permissions = {
  // Being signed in is enough: what the catalog shows is decided repository by repository.
  base: { actions: [] },
  catalog: { actions: [] },
  "blob.read": { actions: ["ecr:GetDownloadUrlForLayer"], scope: "pull" },
  "blob.delete": { actions: ["ecr:BatchDeleteImage"], scope: "delete" },
  "manifest.read": { actions: ["ecr:BatchGetImage"], scope: "pull" },
  "manifest.write": { actions: ["ecr:PutImage"], scope: "push" },
  "manifest.delete": { actions: ["ecr:BatchDeleteImage"], scope: "delete" },
  "upload.begin": { actions: ["ecr:InitiateLayerUpload"], scope: "push" },
  "upload.single": {
    actions: ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
    scope: "push",
  },
  // And ecr:GetDownloadUrlForLayer on the other repository, without which a mount is an upload that begins.
  "upload.mount": { actions: ["ecr:InitiateLayerUpload"], scope: "push" },
  "upload.write": { actions: ["ecr:UploadLayerPart"], scope: "push" },
  "upload.commit": { actions: ["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"], scope: "push" },
  "upload.status": { actions: ["ecr:UploadLayerPart"], scope: "push" },
  "upload.cancel": { actions: ["ecr:InitiateLayerUpload"], scope: "push" },
  tags: { actions: ["ecr:ListImages"], scope: "pull" },
  "tag.history": { actions: ["ecr:DescribeImages"], scope: "pull" },
  referrers: { actions: ["ecr:BatchGetImage"], scope: "pull" },
} satisfies Record<OciRequest["kind"], Permission>;

/** HEAD of a blob is another action than its GET: clients ask before they push. */
const headOfBlob: Need["action"] = "ecr:BatchCheckLayerAvailability";

/** @param manifest the body of a push, read only where a policy asks */
export function permissionsFor(asked: OciRequest, registry: Registry, manifest: PushedManifest): Need[] {
  if (!("repository" in asked)) return [];
  const resource = repositoryArn(registry, asked.repository);
  if (asked.kind === "blob.read" && asked.head) return [{ action: headOfBlob, resource }];
  const image = imageOf(asked, manifest);
  return permissions[asked.kind].actions.map((action) => ({ action, resource, image }));
}

/** Of several tags that a push brings along, the first; all of them are decided when they are set. */
export function imageOf(asked: OciRequest, { mediaType, bytes }: PushedManifest): Need["image"] {
  switch (asked.kind) {
    case "manifest.read":
    case "manifest.delete":
      return { repository: asked.repository, ...asked.reference };
    case "manifest.write": {
      const { repository, reference, tags } = asked;
      const given = "digest" in reference ? reference.digest : undefined;
      const pushed = async () => pushedFacts(await bytes(), mediaType, given);
      return { repository, tag: "tag" in reference ? reference.tag : tags[0], pushed };
    }
    case "tag.history":
      return { repository: asked.repository, tag: asked.tag };
    default:
      return undefined;
  }
}

/**
 * The API operations that a request counts as where rates are limited: those that its permissions name. Only the end of
 * an upload is a single call in ECR.
 */
export function operationsOf({ kind }: OciRequest, needs: readonly Need[]): string[] {
  if (kind === "upload.commit") return ["CompleteLayerUpload"];
  if (kind === "catalog") return ["DescribeRepositories"];
  return needs.map(({ action }) => action.slice(action.indexOf(":") + 1));
}
