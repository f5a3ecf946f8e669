import { z } from "zod";
import type { Need } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { type Arn, parseKeyArn } from "../../domain/names.ts";
import { openGrantToken } from "./grant-tokens.ts";
import { keyItself, keyNeed, ofKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { endDryRun, GrantId, KeyId } from "./shapes.ts";

export const RetireGrant = operation("RetireGrant", {
  input: {
    GrantToken: z.string().min(1).max(8192).optional(),
    KeyId: KeyId.optional(),
    GrantId: GrantId.optional(),
    DryRun: z.boolean().optional(),
  },
  account: ofKey,
  async needs(input, registry, { principal, parts }) {
    const { key, grant } = await grantOf(input);
    const need: Need = keyNeed("kms:RetireGrant", key, {}, principal, parts);
    // A grant lets its own people retire it, and no other.
    return [{ ...need, keyUse: { principal, grant }, owner: parseKeyArn(key)?.registry }];

    async function grantOf({ GrantToken, KeyId: reference, GrantId: id }: typeof input) {
      if (GrantToken !== undefined) {
        const token = openGrantToken(parts.sealer, GrantToken);
        return { key: token.key as Arn, grant: token.grant };
      }
      if (reference === undefined || id === undefined) {
        throw refuse("Validation", { reason: "Either GrantToken or both KeyId and GrantId are required" });
      }
      return { key: await keyItself(parts.keyring, registry, reference), grant: id };
    }
  },
  throws: ["KeyNotFound", "InvalidKeyArn", "InvalidGrant", "InvalidGrantToken", "Validation", "KeyDryRun"],
  async run({ DryRun }, granted, { grants }) {
    endDryRun(DryRun);
    await grants.remove(granted, granted.needs[0]?.keyUse?.grant ?? "");
  },
});
