import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";

export const DisableKey = operation("DisableKey", {
  input: { KeyId },
  account: ofKey,
  needs: onKey("kms:DisableKey"),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState"],
  async run(_input, granted, { keys }) {
    await keys.disable(granted);
  },
});
