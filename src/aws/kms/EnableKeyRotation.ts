import { z } from "zod";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";

export const EnableKeyRotation = operation("EnableKeyRotation", {
  input: { KeyId, RotationPeriodInDays: z.number().int().min(90).max(2560).optional() },
  account: ofKey,
  needs: onKey("kms:EnableKeyRotation", {
    facts: ({ RotationPeriodInDays: days }: { KeyId: string; RotationPeriodInDays?: number }) => ({
      "kms:rotationperiodindays": days === undefined ? undefined : String(days),
    }),
  }),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyDisabled", "KeyInvalidState"],
  async run({ RotationPeriodInDays: days }, granted, { rotation }) {
    await rotation.enable(granted, days);
  },
});
