import type { Need } from "../domain/access.ts";
import { type Registry, repositoryArn } from "../domain/names.ts";
import type { OciRequest } from "./request.ts";

/**
 * Which IAM actions a request needs, as ECR maps them (ECR user guide, "Required IAM permissions for pushing an image";
 * service authorization reference). A kind without a row does not compile.
 */
const actions = {
  // Being signed in is enough: what the catalog shows is decided repository by repository.
  base: [],
  catalog: [],
  "blob.read": ["ecr:GetDownloadUrlForLayer"],
  "blob.delete": ["ecr:BatchDeleteImage"],
  "manifest.read": ["ecr:BatchGetImage"],
  "manifest.write": ["ecr:PutImage"],
  "manifest.delete": ["ecr:BatchDeleteImage"],
  "upload.begin": ["ecr:InitiateLayerUpload"],
  "upload.single": ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
  "upload.mount": ["ecr:InitiateLayerUpload"],
  "upload.write": ["ecr:UploadLayerPart"],
  "upload.commit": ["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
  "upload.status": ["ecr:UploadLayerPart"],
  "upload.cancel": ["ecr:InitiateLayerUpload"],
  tags: ["ecr:ListImages"],
  "tag.history": ["ecr:DescribeImages"],
  referrers: ["ecr:BatchGetImage"],
} satisfies Record<OciRequest["kind"], Need["action"][]>;

export function permissionsFor(asked: OciRequest, registry: Registry): Need[] {
  if (!("repository" in asked)) return [];
  const resource = repositoryArn(registry, asked.repository);
  if (asked.kind === "blob.read" && asked.head) return [{ action: "ecr:BatchCheckLayerAvailability", resource }];
  return actions[asked.kind].map((action) => ({ action, resource }));
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
