import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";
import { arnOf } from "./views.ts";

export const GetKeyRotationStatus = operation("GetKeyRotationStatus", {
  input: { KeyId },
  account: ofKey,
  needs: onKey("kms:GetKeyRotationStatus"),
  throws: ["KeyNotFound", "InvalidKeyArn"],
  async run(_input, granted, { rotation }) {
    const key = await rotation.status(granted);
    return {
      KeyId: arnOf(key),
      KeyRotationEnabled: key.rotation !== undefined,
      RotationPeriodInDays: key.rotation?.periodDays,
      NextRotationDate: key.state === "Enabled" ? key.rotation?.nextAt : undefined,
    };
  },
});
