import { z } from "zod";
import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId, tagKeyFacts } from "./shapes.ts";

export const UntagResource = operation("UntagResource", {
  input: { SecretId, TagKeys: z.array(z.string().min(1).max(128)) },
  account: ofSecret,
  needs: onSecret("secretsmanager:UntagResource", ({ TagKeys }: { SecretId: string; TagKeys: string[] }) =>
    tagKeyFacts(TagKeys),
  ),
  throws: ["SecretNotFound", "InvalidSecretParameter", "InvalidSecretRequest", "LimitExceeded"],
  async run({ TagKeys }, granted, { secrets }) {
    await secrets.change(granted, (secret) => ({
      ...secret,
      tags: new Map([...secret.tags].filter(([key]) => !TagKeys.includes(key))),
    }));
  },
});
