import { z } from "zod";
import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId, VersionStage } from "./shapes.ts";
import { secretName } from "./views.ts";

const VersionId = z.string().min(32).max(64);

export const UpdateSecretVersionStage = operation("UpdateSecretVersionStage", {
  input: {
    SecretId,
    VersionStage,
    RemoveFromVersionId: VersionId.optional(),
    MoveToVersionId: VersionId.optional(),
  },
  account: ofSecret,
  needs: onSecret("secretsmanager:UpdateSecretVersionStage", (input: { SecretId: string; VersionStage: string }) => ({
    "secretsmanager:versionstage": input.VersionStage,
  })),
  throws: [
    "SecretNotFound",
    "SecretVersionNotFound",
    "InvalidSecretParameter",
    "InvalidSecretRequest",
    "LimitExceeded",
  ],
  async run({ VersionStage: stage, RemoveFromVersionId: from, MoveToVersionId: to }, granted, { secrets }) {
    return secretName(await secrets.moveStage(granted, stage, from, to));
  },
});
