import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { Description, KeyId } from "./shapes.ts";

export const UpdateKeyDescription = operation("UpdateKeyDescription", {
  input: { KeyId, Description },
  account: ofKey,
  needs: onKey("kms:UpdateKeyDescription"),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState"],
  async run({ Description: description }, granted, { keys }) {
    await keys.setDescription(granted, description);
  },
});
