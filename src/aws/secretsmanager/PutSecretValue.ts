import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { ClientRequestToken, givenValue, SecretBinary, SecretId, SecretString, VersionStage } from "./shapes.ts";
import { secretName } from "./views.ts";

export const PutSecretValue = operation("PutSecretValue", {
  input: {
    SecretId,
    ClientRequestToken: ClientRequestToken.optional(),
    SecretBinary: SecretBinary.optional(),
    SecretString: SecretString.optional(),
    VersionStages: z.array(VersionStage).min(1).max(20).optional(),
    RotationToken: z.string().min(36).max(256).optional(),
  },
  account: ofSecret,
  needs: onSecret("secretsmanager:PutSecretValue"),
  throws: [
    "SecretNotFound",
    "SecretExists",
    "InvalidSecretParameter",
    "InvalidSecretRequest",
    "LimitExceeded",
    "SecretUnreadable",
  ],
  async run(input, granted, { secrets }) {
    const value = givenValue(input);
    if (!value) {
      throw refuse("InvalidSecretRequest", { reason: "You must provide either SecretString or SecretBinary." });
    }
    const { ClientRequestToken: token, VersionStages: stages } = input;
    const { secret, version } = await secrets.put(granted, value, { token, stages });
    return { ...secretName(secret), VersionId: version.id, VersionStages: [...version.stages] };
  },
});
