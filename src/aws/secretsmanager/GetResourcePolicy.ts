import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId } from "./shapes.ts";
import { secretName } from "./views.ts";

/** No secret has a policy of its own here; clients ask all the same. */
export const GetResourcePolicy = operation("GetResourcePolicy", {
  input: { SecretId },
  account: ofSecret,
  needs: onSecret("secretsmanager:GetResourcePolicy"),
  throws: ["SecretNotFound", "InvalidSecretParameter"],
  async run(_input, granted, { secrets }) {
    return secretName((await secrets.describe(granted)).secret);
  },
});
