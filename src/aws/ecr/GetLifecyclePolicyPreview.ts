import type { ImageIdentifier } from "@aws-sdk/client-ecr";
import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import type { PreviewPlace } from "../../domain/registry/lifecycle-previews.ts";
import { onRepository } from "../operation.ts";
import { parseImageId } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { ImageIds, NextToken, RegistryId, RepositoryName } from "./shapes.ts";
import { previewEntryView, previewView } from "./views.ts";

export const GetLifecyclePolicyPreview = operation("GetLifecyclePolicyPreview", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageIds: ImageIds.optional(),
    nextToken: NextToken,
    maxResults: z.number().int().min(1).max(100).optional(),
    filter: z.object({ tagStatus: z.enum(["TAGGED", "UNTAGGED", "ANY"]).optional() }).optional(),
  },
  needs: onRepository("ecr:GetLifecyclePolicyPreview"),
  throws: ["InvalidParameter", "RepositoryNotFound", "LifecyclePreviewNotFound"],
  async run(
    { repositoryName, imageIds, nextToken, maxResults, filter: { tagStatus } = {} },
    granted,
    { lifecyclePreviews, paging },
  ) {
    const references = imageIds?.map(referenceOf);
    if (references && (nextToken !== undefined || maxResults !== undefined)) {
      const constraint = "imageIds cannot be combined with nextToken or maxResults";
      throw refuse("InvalidParameter", { member: "imageIds", constraint });
    }
    const preview = await lifecyclePreviews.get(granted, repositoryName);
    const view = previewView(granted.registry, repositoryName, preview);
    if (references) {
      const results = await lifecyclePreviews.resultsOf(preview, references, tagStatus);
      return { ...view, previewResults: results.map(previewEntryView) };
    }
    const page = await paging.page({
      // A token is of no use for the preview that comes after this one.
      of: ["GetLifecyclePolicyPreview", granted.registry, repositoryName, preview.id, tagStatus ?? "ANY"],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: PreviewPlace | undefined, limit) => lifecyclePreviews.results(preview, { after, limit, tagStatus }),
      keyOf: ({ place }) => place,
    });
    return {
      ...view,
      previewResults: page.items.map(({ entry }) => previewEntryView(entry)),
      nextToken: page.nextToken,
    };
  },
});

/** One that no image can have means no result. @throws InvalidParameter */
function referenceOf(imageId: ImageIdentifier) {
  const parsed = parseImageId(imageId);
  if (!("failureCode" in parsed)) return parsed;
  if (parsed.failureCode === "ImageNotFound") return {};
  throw refuse("InvalidParameter", { member: "imageIds", constraint: parsed.failureReason });
}
