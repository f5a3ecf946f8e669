import { operation } from "./operation.ts";
import { accountOfArn, onArn, repositoryOfArn } from "./resource-arn.ts";
import { RepositoryArn } from "./shapes.ts";
import { tagsView } from "./views.ts";

export const ListTagsForResource = operation("ListTagsForResource", {
  input: { resourceArn: RepositoryArn },
  account: accountOfArn,
  needs: onArn("ecr:ListTagsForResource"),
  throws: ["RepositoryNotFound"],
  async run(input, granted, { repositories }) {
    return { tags: tagsView(await repositories.resourceTags(granted, repositoryOfArn(input, granted.registry))) };
  },
});
