import { z } from "zod";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { endDryRun, GrantId, KeyId } from "./shapes.ts";

export const RevokeGrant = operation("RevokeGrant", {
  input: { KeyId, GrantId, DryRun: z.boolean().optional() },
  account: ofKey,
  needs: onKey("kms:RevokeGrant"),
  throws: ["KeyNotFound", "InvalidKeyArn", "InvalidGrant", "KeyDryRun"],
  async run({ GrantId: id, DryRun }, granted, { grants }) {
    endDryRun(DryRun);
    await grants.remove(granted, id);
  },
});
