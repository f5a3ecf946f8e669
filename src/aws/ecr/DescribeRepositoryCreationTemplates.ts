import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { namespaceOf } from "../../domain/registry/template-prefix.ts";
import { onRegistry } from "../operation.ts";
import { TemplatePrefix, templateView } from "./creation-template-shapes.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken } from "./shapes.ts";

export const DescribeRepositoryCreationTemplates = operation("DescribeRepositoryCreationTemplates", {
  input: { prefixes: z.array(TemplatePrefix).min(1).max(100).optional(), nextToken: NextToken, maxResults: MaxResults },
  needs: onRegistry("ecr:DescribeRepositoryCreationTemplates"),
  throws: ["InvalidParameter"],
  async run({ prefixes, nextToken, maxResults }, granted, { creationTemplates, paging }) {
    const registryId = granted.registry.account;
    if (prefixes) {
      if (nextToken !== undefined || maxResults !== undefined) throw notBoth();
      const found = await creationTemplates.describe(granted, prefixes);
      return { registryId, repositoryCreationTemplates: found.map(templateView) };
    }
    const page = await paging.page({
      of: ["DescribeRepositoryCreationTemplates", granted.registry],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: string | undefined, limit) => creationTemplates.list(granted, { after, limit }),
      keyOf: ({ prefix }) => namespaceOf(prefix),
    });
    return { registryId, repositoryCreationTemplates: page.items.map(templateView), nextToken: page.nextToken };
  },
});

function notBoth() {
  const constraint = "prefixes cannot be combined with nextToken or maxResults";
  return refuse("InvalidParameter", { member: "prefixes", constraint });
}
