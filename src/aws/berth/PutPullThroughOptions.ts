import { z } from "zod";
import { mustMatch } from "../input.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { optionsView } from "./pull-through-options.ts";
import { RegistryId, RulePrefix } from "./shapes.ts";

const filterPattern = "[A-Za-z0-9._/*-]{1,256}";
const Filters = z
  .array(z.string().regex(new RegExp(`^${filterPattern}$`), mustMatch(filterPattern)))
  .min(1)
  .max(50);
const maxFreshSeconds = 365 * 24 * 3600;

/** Says anew all that a rule says beyond ECR: what is left out is not said any more. */
export const PutPullThroughOptions = operation("PutPullThroughOptions", {
  input: {
    registryId: RegistryId.optional(),
    ecrRepositoryPrefix: RulePrefix,
    freshSeconds: z.number().int().min(0).max(maxFreshSeconds).optional(),
    allowTags: Filters.optional(),
    denyTags: Filters.optional(),
    allowRepositories: Filters.optional(),
    denyRepositories: Filters.optional(),
  },
  needs: onRegistry("berth:PutPullThroughOptions"),
  throws: ["InvalidParameter", "PullThroughRuleNotFound"],
  async run({ registryId: _, ecrRepositoryPrefix, freshSeconds, ...filters }, granted, { pullThroughRules }) {
    const freshMs = freshSeconds === undefined ? undefined : freshSeconds * 1000;
    return optionsView(await pullThroughRules.setOptions(granted, ecrRepositoryPrefix, { freshMs, ...filters }));
  },
});
