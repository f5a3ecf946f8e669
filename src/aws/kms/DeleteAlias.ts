import { ownAlias } from "../../domain/keys/aliases.ts";
import { onAliasOf } from "./alias-needs.ts";
import { operation } from "./operation.ts";
import { AliasName } from "./shapes.ts";

export const DeleteAlias = operation("DeleteAlias", {
  input: { AliasName },
  needs: onAliasOf("kms:DeleteAlias"),
  throws: ["KeyNotFound", "InvalidKeyAlias", "KeyAliasReserved"],
  async run({ AliasName: name }, granted, { aliases }) {
    await aliases.delete(granted, ownAlias(name));
  },
});
