import type { Access, Granted } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { type RepositoryName, repositoryArn } from "../../domain/names.ts";
import type { UsagePage, UsagePlace } from "../../domain/registry/usage.ts";
import { othersTurn } from "../../domain/turns.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken, RegistryId } from "./shapes.ts";
import { registryFigures, repositoryFigures } from "./usage-views.ts";

export const ListUsage = operation("ListUsage", {
  input: { registryId: RegistryId.optional(), nextToken: NextToken, maxResults: MaxResults },
  needs: (_input, registry) => [{ action: "berth:ListUsage", resource: repositoryArn(registry, "*") }],
  throws: ["Validation"],
  async run({ nextToken, maxResults = 100 }, granted, { usage, paging, access }) {
    const page = await paging.page({
      of: ["ListUsage", granted.registry],
      nextToken,
      limit: maxResults,
      read: async (after: UsagePlace | undefined, limit) => (await usage.list(granted, { after, limit })).entries,
      keyOf: ({ place }) => place,
      invalidToken: () => refuse("Validation", { reason: "Invalid next token provided" }),
    });
    const totals = await usage.totals(granted);
    return {
      registryId: granted.registry.account,
      measuredAt: totals?.run.finishedAt,
      registry: totals && registryFigures(totals.registry),
      // What the account has in other regions is not for whoever was let into this one.
      account: totals && isOwn(granted) ? registryFigures(totals.account) : undefined,
      repositories: (await visible(page.items, granted, access)).map(({ area, figures }) => ({
        repositoryName: area.repository,
        ...repositoryFigures(figures),
      })),
      nextToken: page.nextToken,
    };
  },
});

const isOwn = ({ caller, registry }: Granted) => caller.principal.account === registry.account;

const lookedAtOnce = 50;

/** A repository's own policy may keep it from somebody who may see the others. */
async function visible(all: UsagePage["entries"], { caller, registry }: Granted, access: Access) {
  const shown: UsagePage["entries"][number][] = [];
  for (const [index, entry] of all.entries()) {
    if (index % lookedAtOnce === 0) await othersTurn();
    const resource = repositoryArn(registry, entry.area.repository as RepositoryName);
    if (await access.allows(caller, registry, { action: "berth:ListUsage", resource })) shown.push(entry);
  }
  return shown;
}
