import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { RulePrefix, ruleView } from "./pull-through-rules.ts";
import { MaxResults, NextToken, RegistryId } from "./shapes.ts";

export const DescribePullThroughCacheRules = operation("DescribePullThroughCacheRules", {
  input: {
    registryId: RegistryId.optional(),
    ecrRepositoryPrefixes: z.array(RulePrefix).min(1).max(100).optional(),
    nextToken: NextToken,
    maxResults: MaxResults,
  },
  needs: onRegistry("ecr:DescribePullThroughCacheRules"),
  throws: ["InvalidParameter", "Validation", "PullThroughRuleNotFound"],
  async run({ ecrRepositoryPrefixes: prefixes, nextToken, maxResults }, granted, { pullThroughRules, paging }) {
    if (prefixes && (nextToken !== undefined || maxResults !== undefined)) {
      const reason = "ecrRepositoryPrefixes cannot be combined with nextToken or maxResults";
      throw refuse("Validation", { reason });
    }
    const all = await pullThroughRules.describe(granted, prefixes);
    if (prefixes) return { pullThroughCacheRules: all.map(ruleView) };
    const { items, ...page } = await paging.page({
      of: ["DescribePullThroughCacheRules", granted.registry],
      nextToken,
      limit: maxResults ?? 100,
      read: async (after: string | undefined, limit) =>
        all.filter(({ prefix }) => after === undefined || prefix > after).slice(0, limit),
      keyOf: ({ prefix }) => prefix,
    });
    return { pullThroughCacheRules: items.map(ruleView), nextToken: page.nextToken };
  },
});
