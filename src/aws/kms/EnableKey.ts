import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";

export const EnableKey = operation("EnableKey", {
  input: { KeyId },
  account: ofKey,
  needs: onKey("kms:EnableKey"),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState"],
  async run(_input, granted, { keys }) {
    await keys.enable(granted);
  },
});
