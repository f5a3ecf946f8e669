import { ownAlias } from "../../domain/keys/aliases.ts";
import { onAliasAndKey } from "./alias-needs.ts";
import { operation } from "./operation.ts";
import { AliasName, KeyId } from "./shapes.ts";

export const UpdateAlias = operation("UpdateAlias", {
  input: { AliasName, TargetKeyId: KeyId },
  needs: onAliasAndKey("kms:UpdateAlias"),
  throws: [
    "InvalidKeyAlias",
    "KeyAliasReserved",
    "KeyNotFound",
    "KeyInvalidState",
    "LimitExceeded",
    "InvalidKeyArn",
    "Validation",
  ],
  async run({ AliasName: name }, granted, { aliases }) {
    await aliases.update(granted, ownAlias(name));
  },
});
