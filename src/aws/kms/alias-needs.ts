import type { Need, Principal } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { ownAlias } from "../../domain/keys/aliases.ts";
import { type Arn, keyAliasArn, parseKeyArn, type Registry } from "../../domain/names.ts";
import { callerFacts, keyNeed } from "./needs.ts";
import type { KmsParts } from "./operation.ts";

/** An alias changes hands by two permissions: one for the alias, by identity policies, and one for each of its keys. */

interface From {
  readonly principal: Principal;
  readonly parts: Pick<KmsParts, "keyring" | "sealer">;
}

type Action = "kms:CreateAlias" | "kms:UpdateAlias" | "kms:DeleteAlias";

/** The key that is to have the alias comes last. */
export function onAliasAndKey(action: Exclude<Action, "kms:DeleteAlias">) {
  return async (
    { AliasName, TargetKeyId }: { AliasName: string; TargetKeyId: string },
    registry: Registry,
    from: From,
  ): Promise<Need[]> => {
    if (/^alias\/|:alias\//.test(TargetKeyId)) {
      throw refuse("Validation", { reason: "Aliases must refer to keys. Not aliases" });
    }
    const needs = await onAliasOf(action)({ AliasName }, registry, from);
    const target = await from.parts.keyring.resolve(registry, TargetKeyId);
    // The first is the alias. One that is moved needs its key of before as well.
    const before = action === "kms:UpdateAlias" ? needs : needs.slice(0, 1);
    return [...before, keyNeed(action, target, {}, from.principal, from.parts)];
  };
}

/** The alias, and the key that it means now. */
export function onAliasOf(action: Action) {
  return async (
    { AliasName }: { AliasName: string },
    registry: Registry,
    { principal, parts }: From,
  ): Promise<Need[]> => {
    const alias = ownAlias(AliasName);
    const resource: Arn = keyAliasArn(registry, alias);
    const key = await parts.keyring.resolve(registry, alias);
    const onAlias: Need = { action, resource, facts: callerFacts(principal) };
    return parseKeyArn(key)?.id ? [onAlias, keyNeed(action, key, {}, principal, parts)] : [onAlias];
  };
}
