import type { Facts, Need, Principal } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { Keyring } from "../../domain/keys/keyring.ts";
import { accountOfReference } from "../../domain/keys/references.ts";
import { type Arn, parseKeyArn, type Registry } from "../../domain/names.ts";
import { openGrantToken } from "./grant-tokens.ts";
import type { KmsParts } from "./operation.ts";
import { contextOf } from "./shapes.ts";

/** What operations need, and what policies may ask about (KMS developer guide, "AWS KMS condition keys"). */

type Action = `kms:${string}`;

export interface KeyInput {
  readonly KeyId: string;
  readonly GrantTokens?: readonly string[];
  readonly EncryptionContext?: Readonly<Record<string, string>>;
}

interface From {
  readonly principal: Principal;
  readonly parts: Parts;
}

type Parts = Pick<KmsParts, "keyring" | "sealer">;

/** The account of the key that the input names. */
export const ofKey = ({ KeyId }: { KeyId?: string }) => accountOfReference(KeyId);

/** On the key that the input names, by an alias only where that is what the operation takes. */
export function onKey<Input extends KeyInput>(
  action: Action,
  options: { readonly byAlias?: boolean; readonly encrypts?: boolean; readonly facts?: (input: Input) => Facts } = {},
) {
  return async (input: Input, registry: Registry, { principal, parts }: From): Promise<Need[]> => {
    const arn = options.byAlias
      ? await parts.keyring.resolve(registry, input.KeyId)
      : await keyItself(parts.keyring, registry, input.KeyId);
    return [keyNeed(action, arn, input, principal, parts, options)];
  };
}

/** On one key that is known by its ARN. @throws InvalidGrantToken */
export function keyNeed<Input extends Partial<KeyInput>>(
  action: Action,
  resource: Arn,
  input: Input,
  principal: Principal,
  parts: Parts,
  { encrypts, facts }: { readonly encrypts?: boolean; readonly facts?: (input: Input) => Facts } = {},
): Need {
  const { GrantTokens: tokens = [], EncryptionContext: context, KeyId = "" } = input;
  for (const token of tokens) {
    // A grant that another process made a moment ago counts at once for whoever brings its token.
    if (openGrantToken(parts.sealer, token).key === resource) parts.keyring.changed(parseKeyArn(resource)?.id);
  }
  return {
    action,
    resource,
    keyUse: { principal, encryptionContext: encrypts ? contextOf(context) : undefined },
    facts: {
      ...callerFacts(principal),
      "kms:requestalias": /(?:^|:)(alias\/.*)$/.exec(KeyId)?.[1],
      ...(encrypts && { "kms:encryptionalgorithm": "SYMMETRIC_DEFAULT", ...contextFacts(context) }),
      ...facts?.(input),
    },
  };
}

export function callerFacts({ account }: Principal): Facts {
  return { "kms:calleraccount": account || undefined };
}

/** @throws KeyNotFound for an alias */
export async function keyItself(
  keyring: Pick<Keyring, "resolve">,
  registry: Registry,
  reference: string,
): Promise<Arn> {
  if (/^alias\/|:alias\//.test(reference)) throw refuse("KeyNotFound", { reason: `Invalid keyId ${reference}` });
  return await keyring.resolve(registry, reference);
}

/** Condition keys have no case: where the names in a context differ in nothing else, policies see each of their values. */
function contextFacts(context: Readonly<Record<string, string>> = {}): Facts {
  const facts = new Map<string, string[]>();
  for (const [name, value] of Object.entries(context)) {
    const key = `kms:encryptioncontext:${name.toLowerCase()}`;
    facts.set(key, [...(facts.get(key) ?? []), value]);
  }
  const single = [...facts].map(([key, values]) => [key, values.length === 1 ? values[0] : values] as const);
  const names = Object.keys(context);
  return { ...Object.fromEntries(single), "kms:encryptioncontextkeys": names.length > 0 ? names : undefined };
}
