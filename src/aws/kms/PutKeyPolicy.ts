import { z } from "zod";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { mustBeDefault } from "./policy-names.ts";
import { KeyId, Policy, PolicyName } from "./shapes.ts";

export const PutKeyPolicy = operation("PutKeyPolicy", {
  input: {
    KeyId,
    PolicyName: PolicyName.optional(),
    Policy,
    BypassPolicyLockoutSafetyCheck: z.boolean().optional(),
  },
  account: ofKey,
  needs: onKey("kms:PutKeyPolicy", {
    facts: ({
      BypassPolicyLockoutSafetyCheck: bypass = false,
    }: {
      KeyId: string;
      BypassPolicyLockoutSafetyCheck?: boolean;
    }) => ({
      "kms:bypasspolicylockoutsafetycheck": String(bypass),
    }),
  }),
  throws: ["KeyNotFound", "InvalidKeyArn", "MalformedPolicy", "LimitExceeded", "KeyInvalidState"],
  async run({ PolicyName: name, Policy: policy, BypassPolicyLockoutSafetyCheck: bypass = false }, granted, { keys }) {
    mustBeDefault(name);
    await keys.setPolicy(granted, policy, { bypass });
  },
});
