import { iamArn } from "../../domain/names.ts";
import { toCreate } from "./needs.ts";
import { operation } from "./operation.ts";
import { newTags, Path, PolicyDescription, PolicyDocument, PolicyName, Tags } from "./shapes.ts";
import { policyView } from "./views.ts";

export const CreatePolicy = operation("CreatePolicy", {
  input: {
    PolicyName,
    Path: Path.optional(),
    PolicyDocument,
    Description: PolicyDescription.optional(),
    Tags: Tags.optional(),
  },
  needs({ PolicyName, Path = "/", Tags }, { account }) {
    return toCreate("iam:CreatePolicy", "iam:TagPolicy", iamArn(account, "policy", Path, PolicyName), Tags);
  },
  throws: ["EntityAlreadyExists", "InvalidInput", "LimitExceeded", "MalformedPolicy"],
  async run({ PolicyName, Path, PolicyDocument, Description, Tags }, granted, { managedPolicies }) {
    const policy = await managedPolicies.create(granted, {
      name: PolicyName,
      path: Path,
      document: PolicyDocument,
      description: Description || undefined,
      tags: newTags(Tags),
    });
    return { Policy: policyView(policy) };
  },
});
