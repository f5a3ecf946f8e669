import type { z } from "zod";
import { operation } from "./operation.ts";
import { accountOfArn, onArn, repositoryOfArn } from "./resource-arn.ts";
import { requestTagFacts, resourceTagsOf } from "./resource-tags.ts";
import { RepositoryArn, ResourceTags } from "./shapes.ts";

type Tags = { resourceArn: string; tags: z.output<typeof ResourceTags> };

export const TagResource = operation("TagResource", {
  input: { resourceArn: RepositoryArn, tags: ResourceTags },
  account: accountOfArn,
  needs: onArn("ecr:TagResource", ({ tags }: Tags) => requestTagFacts(tags)),
  throws: ["RepositoryNotFound", "InvalidTag", "TooManyTags"],
  async run(input, granted, { repositories }) {
    await repositories.tag(granted, repositoryOfArn(input, granted.registry), resourceTagsOf(input.tags));
    return {};
  },
});
