import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { GrantTokens, KeyId } from "./shapes.ts";
import { keyView } from "./views.ts";

export const DescribeKey = operation("DescribeKey", {
  input: { KeyId, GrantTokens: GrantTokens.optional() },
  account: ofKey,
  needs: onKey("kms:DescribeKey", { byAlias: true }),
  throws: ["InvalidGrantToken", "KeyNotFound", "InvalidKeyArn"],
  async run(_input, granted, { keys }) {
    return { KeyMetadata: keyView(await keys.describe(granted)) };
  },
});
