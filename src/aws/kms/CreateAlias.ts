import { ownAlias } from "../../domain/keys/aliases.ts";
import { onAliasAndKey } from "./alias-needs.ts";
import { operation } from "./operation.ts";
import { AliasName, KeyId } from "./shapes.ts";

export const CreateAlias = operation("CreateAlias", {
  input: { AliasName, TargetKeyId: KeyId },
  needs: onAliasAndKey("kms:CreateAlias"),
  throws: [
    "KeyAliasExists",
    "InvalidKeyAlias",
    "KeyAliasReserved",
    "KeyNotFound",
    "KeyInvalidState",
    "LimitExceeded",
    "InvalidKeyArn",
    "Validation",
  ],
  async run({ AliasName: name }, granted, { aliases }) {
    await aliases.create(granted, ownAlias(name));
  },
});
