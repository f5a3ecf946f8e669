import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { mustBeDefault } from "./policy-names.ts";
import { KeyId, PolicyName } from "./shapes.ts";

export const GetKeyPolicy = operation("GetKeyPolicy", {
  input: { KeyId, PolicyName: PolicyName.optional() },
  account: ofKey,
  needs: onKey("kms:GetKeyPolicy"),
  throws: ["KeyNotFound", "InvalidKeyArn"],
  async run({ PolicyName: name }, granted, { keys }) {
    mustBeDefault(name);
    return { Policy: await keys.policy(granted), PolicyName: "default" };
  },
});
