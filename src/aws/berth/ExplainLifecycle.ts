import { z } from "zod";
import { onRepository } from "../operation.ts";
import { explainedView, lifecycleSummaryView } from "./lifecycle-views.ts";
import { operation } from "./operation.ts";
import { ImageId, MaxResults, NextToken, PolicyText, RegistryId, RepositoryName } from "./shapes.ts";

export const ExplainLifecycle = operation("ExplainLifecycle", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageIds: z.array(ImageId).min(1).max(100).optional(),
    lifecyclePolicyText: PolicyText.optional(),
    retentionText: PolicyText.optional(),
    maxResults: MaxResults,
    nextToken: NextToken,
  },
  needs: onRepository("berth:ExplainLifecycle"),
  throws: ["RepositoryNotFound", "LifecyclePolicyNotFound", "ImageNotFound", "InvalidParameter"],
  async run(input, granted, { lifecycleAnswers, paging }) {
    const { repositoryName, imageIds, lifecyclePolicyText: policyText, retentionText, maxResults, nextToken } = input;
    const references = imageIds?.map(({ imageDigest: digest, imageTag: tag }) => ({ digest, tag }));
    return lifecyclePage({
      paging,
      of: ["ExplainLifecycle", granted.registry, repositoryName, policyText, retentionText],
      nextToken: references ? undefined : nextToken,
      limit: references?.length ?? maxResults ?? 100,
      read: (after, limit) =>
        lifecycleAnswers.explain(granted, repositoryName, { policyText, retentionText, references, after, limit }),
      view: ({ at, summary }, images, token) => ({
        evaluatedAt: at,
        summary: lifecycleSummaryView(summary),
        images: images.map((image) => explainedView(image, image.tags, at)),
        nextToken: token,
      }),
    });
  },
});
