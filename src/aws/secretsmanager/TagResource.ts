import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId, Tags, tagFacts, tagsOf } from "./shapes.ts";

export const TagResource = operation("TagResource", {
  input: { SecretId, Tags },
  account: ofSecret,
  needs: onSecret("secretsmanager:TagResource", ({ Tags: tags }: { SecretId: string; Tags: [] }) => tagFacts(tags)),
  throws: ["SecretNotFound", "InvalidSecretParameter", "InvalidSecretRequest", "LimitExceeded"],
  async run({ Tags: given }, granted, { secrets }) {
    const tags = tagsOf(given);
    await secrets.change(granted, (secret) => ({ ...secret, tags: new Map([...secret.tags, ...tags]) }));
  },
});
