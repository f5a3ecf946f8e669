import { z } from "zod";
import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId, VersionStage, valueView } from "./shapes.ts";
import { secretName } from "./views.ts";

interface Which {
  SecretId: string;
  VersionId?: string;
  VersionStage?: string;
}

export const GetSecretValue = operation("GetSecretValue", {
  input: { SecretId, VersionId: z.string().min(1).max(64).optional(), VersionStage: VersionStage.optional() },
  account: ofSecret,
  needs: onSecret("secretsmanager:GetSecretValue", ({ VersionId, VersionStage: stage }: Which) => ({
    "secretsmanager:versionid": VersionId,
    "secretsmanager:versionstage": stage,
  })),
  throws: [
    "SecretNotFound",
    "SecretVersionNotFound",
    "InvalidSecretParameter",
    "InvalidSecretRequest",
    "SecretUnreadable",
  ],
  async run({ VersionId, VersionStage: stage }, granted, { secrets }) {
    const { secret, version, value } = await secrets.read(granted, { version: VersionId, stage });
    const { id, stages, createdAt } = version;
    return {
      ...secretName(secret),
      VersionId: id,
      ...valueView(value),
      VersionStages: [...stages],
      CreatedDate: createdAt,
    };
  },
});
