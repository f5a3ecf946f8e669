import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { ofSecret, onSecret } from "./needs.ts";
import { operation } from "./operation.ts";
import { SecretId } from "./shapes.ts";
import { secretName } from "./views.ts";

export const ListSecretVersionIds = operation("ListSecretVersionIds", {
  input: {
    SecretId,
    MaxResults: z.number().int().min(1).max(100).optional(),
    NextToken: z.string().min(1).max(4096).optional(),
    IncludeDeprecated: z.boolean().optional(),
  },
  account: ofSecret,
  needs: onSecret("secretsmanager:ListSecretVersionIds"),
  throws: ["SecretNotFound", "InvalidSecretParameter", "InvalidSecretToken"],
  async run({ MaxResults = 100, NextToken, IncludeDeprecated = false }, granted, { secrets, paging }) {
    const { secret, versions } = await secrets.describe(granted);
    const shown = versions.filter(({ stages }) => IncludeDeprecated || stages.length > 0);
    const { items, nextToken } = await paging.page({
      of: ["ListSecretVersionIds", secret.id, IncludeDeprecated],
      nextToken: NextToken,
      limit: MaxResults,
      read: async (after: number = 0, limit) => [...shown.entries()].slice(after, after + limit),
      keyOf: ([index]) => index + 1,
      invalidToken: () => refuse("InvalidSecretToken"),
    });
    const Versions = items.map(([, { id, stages, createdAt }]) => ({
      VersionId: id,
      VersionStages: [...stages],
      CreatedDate: createdAt,
    }));
    return { ...secretName(secret), Versions, NextToken: nextToken };
  },
});
