import { operation } from "./operation.ts";
import { accountOfArn, onArn, repositoryOfArn } from "./resource-arn.ts";
import { resourceTagsOf } from "./resource-tags.ts";
import { RepositoryArn, ResourceTags } from "./shapes.ts";

export const TagResource = operation("TagResource", {
  input: { resourceArn: RepositoryArn, tags: ResourceTags },
  account: accountOfArn,
  needs: onArn("ecr:TagResource"),
  throws: ["RepositoryNotFound", "InvalidTag", "TooManyTags"],
  async run(input, granted, { repositories }) {
    await repositories.tag(granted, repositoryOfArn(input, granted.registry), resourceTagsOf(input.tags));
    return {};
  },
});
