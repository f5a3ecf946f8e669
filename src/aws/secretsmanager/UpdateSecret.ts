import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import {
  ClientRequestToken,
  Description,
  givenValue,
  KmsKeyId,
  mustBeOrdinary,
  SecretBinary,
  SecretId,
  SecretString,
  Type,
} from "./shapes.ts";
import { secretName } from "./views.ts";

export const UpdateSecret = operation("UpdateSecret", {
  input: {
    SecretId,
    ClientRequestToken: ClientRequestToken.optional(),
    Description: Description.optional(),
    KmsKeyId: KmsKeyId.optional(),
    SecretBinary: SecretBinary.optional(),
    SecretString: SecretString.optional(),
    Type: Type.optional(),
  },
  account: ofSecret,
  needs: onSecret("secretsmanager:UpdateSecret", (input: { SecretId: string; Description?: string }) => ({
    "secretsmanager:description": input.Description,
  })),
  throws: [
    "SecretNotFound",
    "SecretExists",
    "InvalidSecretParameter",
    "InvalidSecretRequest",
    "LimitExceeded",
    "SecretUnreadable",
  ],
  async run(input, granted, { secrets }) {
    mustBeOrdinary(input);
    const value = givenValue(input);
    const { ClientRequestToken: token, Description: description } = input;
    const put = value && (await secrets.put(granted, value, { token }));
    const secret = await secrets.change(granted, (before) => ({
      ...before,
      description: description ?? before.description,
    }));
    return { ...secretName(secret), VersionId: put?.version.id };
  },
});
