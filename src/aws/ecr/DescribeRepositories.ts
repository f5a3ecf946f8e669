import { z } from "zod";
import type { Access, Granted } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { type RepositoryName as Name, repositoryArn } from "../../domain/names.ts";
import type { Repository } from "../../domain/registry/ports.ts";
import { othersTurn } from "../../domain/turns.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";
import { repositoryView } from "./views.ts";

export const DescribeRepositories = operation("DescribeRepositories", {
  input: {
    registryId: RegistryId.optional(),
    repositoryNames: z.array(RepositoryName).min(1).max(100).optional(),
    nextToken: NextToken,
    maxResults: MaxResults,
  },
  needs: ({ repositoryNames = ["*" as const] }, registry) =>
    repositoryNames.map((name) => ({ action: "ecr:DescribeRepositories", resource: repositoryArn(registry, name) })),
  throws: ["InvalidParameter", "RepositoryNotFound"],
  async run({ repositoryNames, nextToken, maxResults }, granted, { repositories, addresses, paging, access }) {
    if (repositoryNames) {
      if (nextToken !== undefined || maxResults !== undefined) throw notBoth();
      const found = await repositories.describe(granted, repositoryNames);
      return { repositories: found.map((repository) => repositoryView(repository, addresses)) };
    }
    const page = await paging.page({
      of: ["DescribeRepositories", granted.registry],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: Name | undefined, limit) => repositories.list(granted, { after, limit }),
      keyOf: ({ name }) => name,
    });
    const shown = await visible(page.items, granted, access);
    return {
      repositories: shown.map((repository) => repositoryView(repository, addresses)),
      nextToken: page.nextToken,
    };
  },
});

const lookedAtOnce = 50;

/** A repository's own policy may keep it from somebody who may see the others. */
async function visible(
  all: readonly Repository[],
  { caller, registry }: Granted,
  access: Access,
): Promise<Repository[]> {
  const shown: Repository[] = [];
  for (const [index, repository] of all.entries()) {
    if (index % lookedAtOnce === 0) await othersTurn();
    const resource = repositoryArn(registry, repository.name);
    if (await access.allows(caller, registry, { action: "ecr:DescribeRepositories", resource })) shown.push(repository);
  }
  return shown;
}

function notBoth() {
  const constraint = "repositoryNames cannot be combined with nextToken or maxResults";
  return refuse("InvalidParameter", { member: "repositoryNames", constraint });
}
