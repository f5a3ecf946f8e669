import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { optionsView } from "./pull-through-options.ts";
import { RegistryId, RulePrefix } from "./shapes.ts";

export const GetPullThroughOptions = operation("GetPullThroughOptions", {
  input: { registryId: RegistryId.optional(), ecrRepositoryPrefix: RulePrefix },
  needs: onRegistry("berth:GetPullThroughOptions"),
  throws: ["InvalidParameter", "PullThroughRuleNotFound"],
  async run({ ecrRepositoryPrefix }, granted, { pullThroughRules }) {
    const [rule] = await pullThroughRules.describe(granted, [ecrRepositoryPrefix]);
    // Of a prefix that is named there is one, or a refusal.
    if (!rule) throw new Error(`no rule was described for ${ecrRepositoryPrefix}`);
    return optionsView(rule);
  },
});
