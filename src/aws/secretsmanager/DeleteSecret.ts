import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId } from "./shapes.ts";

const presetDays = 30;

interface How {
  SecretId: string;
  RecoveryWindowInDays?: number;
  ForceDeleteWithoutRecovery?: boolean;
}

export const DeleteSecret = operation("DeleteSecret", {
  input: {
    SecretId,
    RecoveryWindowInDays: z.number().int().min(7).max(30).optional(),
    ForceDeleteWithoutRecovery: z.boolean().optional(),
  },
  account: ofSecret,
  needs: onSecret("secretsmanager:DeleteSecret", ({ RecoveryWindowInDays: days, ForceDeleteWithoutRecovery }: How) => ({
    "secretsmanager:recoverywindowindays": days === undefined ? undefined : String(days),
    "secretsmanager:forcedeletewithoutrecovery": String(ForceDeleteWithoutRecovery ?? false),
  })),
  throws: ["SecretNotFound", "InvalidSecretParameter", "InvalidSecretRequest"],
  async run({ RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: isForced = false }, granted, { secrets }) {
    if (isForced && days !== undefined) {
      throw refuse("InvalidSecretParameter", {
        reason: "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
      });
    }
    const { name, arn, deletionAt } = await secrets.delete(granted, isForced ? "at once" : (days ?? presetDays));
    return { ARN: arn, Name: name, DeletionDate: deletionAt };
  },
});
