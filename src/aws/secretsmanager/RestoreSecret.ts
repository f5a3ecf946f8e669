import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId } from "./shapes.ts";
import { secretName } from "./views.ts";

export const RestoreSecret = operation("RestoreSecret", {
  input: { SecretId },
  account: ofSecret,
  needs: onSecret("secretsmanager:RestoreSecret"),
  throws: ["SecretNotFound", "InvalidSecretParameter"],
  run: async (_input, granted, { secrets }) => secretName(await secrets.restore(granted)),
});
