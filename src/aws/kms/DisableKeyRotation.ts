import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";

export const DisableKeyRotation = operation("DisableKeyRotation", {
  input: { KeyId },
  account: ofKey,
  needs: onKey("kms:DisableKeyRotation"),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyDisabled", "KeyInvalidState"],
  async run(_input, granted, { rotation }) {
    await rotation.disable(granted);
  },
});
