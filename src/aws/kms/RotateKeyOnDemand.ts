import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";
import { arnOf } from "./views.ts";

export const RotateKeyOnDemand = operation("RotateKeyOnDemand", {
  input: { KeyId },
  account: ofKey,
  needs: onKey("kms:RotateKeyOnDemand"),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyDisabled", "KeyInvalidState", "LimitExceeded"],
  async run(_input, granted, { rotation }) {
    return { KeyId: arnOf(await rotation.rotateNow(granted)) };
  },
});
