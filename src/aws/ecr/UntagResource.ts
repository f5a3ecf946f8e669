import { z } from "zod";
import { operation } from "./operation.ts";
import { accountOfArn, onArn, repositoryOfArn } from "./resource-arn.ts";
import { tagKeyFacts } from "./resource-tags.ts";
import { RepositoryArn } from "./shapes.ts";

export const UntagResource = operation("UntagResource", {
  input: { resourceArn: RepositoryArn, tagKeys: z.array(z.string().min(1).max(128)) },
  account: accountOfArn,
  needs: onArn("ecr:UntagResource", ({ tagKeys }: { resourceArn: string; tagKeys: string[] }) => tagKeyFacts(tagKeys)),
  throws: ["RepositoryNotFound"],
  async run(input, granted, { repositories }) {
    await repositories.untag(granted, repositoryOfArn(input, granted.registry), input.tagKeys);
    return {};
  },
});
