import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";
import { arnOf } from "./views.ts";

export const CancelKeyDeletion = operation("CancelKeyDeletion", {
  input: { KeyId },
  account: ofKey,
  needs: onKey("kms:CancelKeyDeletion"),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState"],
  async run(_input, granted, { keys }) {
    return { KeyId: arnOf(await keys.cancelDeletion(granted)) };
  },
});
