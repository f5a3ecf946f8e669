import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId } from "./shapes.ts";
import { secretFacts, stagesView } from "./views.ts";

export const DescribeSecret = operation("DescribeSecret", {
  input: { SecretId },
  account: ofSecret,
  needs: onSecret("secretsmanager:DescribeSecret"),
  throws: ["SecretNotFound", "InvalidSecretParameter"],
  async run(_input, granted, { secrets }) {
    const { secret, versions } = await secrets.describe(granted);
    return { ...secretFacts(secret), VersionIdsToStages: stagesView(versions) };
  },
});
