import { z } from "zod";
import { onRepository } from "../operation.ts";
import { lifecycleLister } from "./lifecycle-pages.ts";
import { explainedView, summaryView } from "./lifecycle-views.ts";
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
    const asked = { policyText, retentionText, references };
    const {
      answer,
      items,
      nextToken: further,
    } = await lifecycleLister(paging)({
      of: ["ExplainLifecycle", granted.registry, repositoryName, asked],
      nextToken,
      limit: references?.length ?? maxResults,
      read: (page) => lifecycleAnswers.explain(granted, repositoryName, { ...asked, ...page }),
    });
    const { at, summary } = answer;
    const images = items.map((decision) => explainedView(decision, decision.tags, at));
    return { evaluatedAt: at, summary: summaryView(summary), images, nextToken: further };
  },
});
