import { onRepository } from "../operation.ts";
import { lifecycleLister } from "./lifecycle-pages.ts";
import { changeView, summaryView } from "./lifecycle-views.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken, PolicyText, RegistryId, RepositoryName } from "./shapes.ts";

export const DiffLifecyclePolicy = operation("DiffLifecyclePolicy", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    lifecyclePolicyText: PolicyText.optional(),
    retentionText: PolicyText.optional(),
    maxResults: MaxResults,
    nextToken: NextToken,
  },
  needs: onRepository("berth:DiffLifecyclePolicy"),
  throws: ["RepositoryNotFound", "InvalidParameter"],
  async run(input, granted, { lifecycleAnswers, paging }) {
    const { repositoryName, lifecyclePolicyText: policyText, retentionText, maxResults, nextToken } = input;
    const asked = { policyText, retentionText };
    const {
      answer,
      items,
      nextToken: further,
    } = await lifecycleLister(paging)({
      of: ["DiffLifecyclePolicy", granted.registry, repositoryName, asked],
      nextToken,
      limit: maxResults,
      read: (page) => lifecycleAnswers.diff(granted, repositoryName, { ...asked, ...page }),
    });
    const { at, before, summary } = answer;
    return {
      evaluatedAt: at,
      before: summaryView(before),
      after: summaryView(summary),
      changes: items.map((change) => changeView(change, change.tags, at)),
      nextToken: further,
    };
  },
});
