import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId, paged } from "./shapes.ts";

export const ListKeyPolicies = operation("ListKeyPolicies", {
  input: { KeyId, ...paged },
  account: ofKey,
  needs: onKey("kms:ListKeyPolicies"),
  throws: ["KeyNotFound", "InvalidKeyArn"],
  async run(_input, granted, { keys }) {
    await keys.policy(granted);
    return { PolicyNames: ["default"], Truncated: false };
  },
});
