import { z } from "zod";
import type { Facts } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { type GrantConstraint, type GrantOperation, grantOperations } from "../../domain/keys/ports.ts";
import { grantTokenOf } from "./grant-tokens.ts";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { contextOf, EncryptionContext, endDryRun, GrantTokens, KeyId, mustBeAbsent, Principal } from "./shapes.ts";
import { arnOf } from "./views.ts";

/** Those that only keys of other kinds can do. */
const otherOperations = [
  "Decapsulate",
  "DeriveSharedSecret",
  "Encapsulate",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateMac",
  "GetPublicKey",
  "Sign",
  "Verify",
  "VerifyMac",
] as const;

const Constraints = z.object({
  EncryptionContextSubset: EncryptionContext.optional(),
  EncryptionContextEquals: EncryptionContext.optional(),
  SourceArn: z.string().optional(),
});

interface Input {
  readonly KeyId: string;
  readonly GranteePrincipal?: string;
  readonly RetiringPrincipal?: string;
  readonly Operations: readonly string[];
  readonly Constraints?: z.output<typeof Constraints>;
}

export const CreateGrant = operation("CreateGrant", {
  input: {
    KeyId,
    GranteePrincipal: Principal.optional(),
    RetiringPrincipal: Principal.optional(),
    GranteeServicePrincipal: Principal.optional(),
    RetiringServicePrincipal: Principal.optional(),
    Operations: z.array(z.enum([...grantOperations, ...otherOperations])),
    Constraints: Constraints.optional(),
    GrantTokens: GrantTokens.optional(),
    Name: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[a-zA-Z0-9:/_-]+$/, "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$")
      .optional(),
    DryRun: z.boolean().optional(),
  },
  account: ofKey,
  needs: onKey("kms:CreateGrant", { facts: grantFacts }),
  throws: [
    "InvalidGrantToken",
    "KeyNotFound",
    "InvalidKeyArn",
    "KeyDisabled",
    "KeyInvalidState",
    "LimitExceeded",
    "UnsupportedKey",
    "Validation",
    "AccessDenied",
    "KeyDryRun",
  ],
  async run(input, granted, { grants, keyring, sealer }) {
    const { GranteeServicePrincipal, RetiringServicePrincipal } = input;
    mustBeAbsent({ GranteeServicePrincipal, RetiringServicePrincipal, SourceArn: input.Constraints?.SourceArn });
    const grant = {
      grantee: required("GranteePrincipal", input.GranteePrincipal),
      retiring: input.RetiringPrincipal,
      operations: operationsOf(input.Operations),
      constraint: constraintOf(input.Constraints),
      name: input.Name,
    };
    endDryRun(input.DryRun);
    const { id, keyId } = await grants.create(granted, grant);
    const key = arnOf(await keyring.get(granted.registry, keyId));
    return { GrantId: id, GrantToken: grantTokenOf(sealer, { key, grant: id }) };
  },
});

function grantFacts({ GranteePrincipal, RetiringPrincipal, Operations, Constraints: constraints }: Input): Facts {
  const kinds = ["EncryptionContextEquals", "EncryptionContextSubset"] as const;
  return {
    "kms:granteeprincipal": GranteePrincipal,
    "kms:retiringprincipal": RetiringPrincipal,
    "kms:grantoperations": Operations.length > 0 ? Operations : undefined,
    "kms:grantconstrainttype": kinds.find((kind) => contextOf(constraints?.[kind]).size > 0),
    "kms:grantisforawsresource": "false",
  };
}

function required(member: string, value: string | undefined): string {
  if (value === undefined) throw refuse("Validation", { reason: `${member} is required` });
  return value;
}

function operationsOf(given: readonly string[]): GrantOperation[] {
  if (given.length === 0) throw refuse("Validation", { reason: "Operations must not be empty" });
  const other = given.find((name) => !(grantOperations as readonly string[]).includes(name));
  if (other)
    throw refuse("Validation", { reason: `Operation ${other} is not compatible with a key of SYMMETRIC_DEFAULT` });
  return [...new Set(given)] as GrantOperation[];
}

function constraintOf(given: z.output<typeof Constraints> = {}): GrantConstraint | undefined {
  const [subset, equals] = [contextOf(given.EncryptionContextSubset), contextOf(given.EncryptionContextEquals)];
  // Clients send an empty one for what was not asked for.
  if (subset.size > 0 && equals.size > 0) {
    const reason = "A grant can have EncryptionContextSubset or EncryptionContextEquals, not both";
    throw refuse("Validation", { reason });
  }
  if (equals.size > 0) return { kind: "equals", context: equals };
  return subset.size > 0 ? { kind: "subset", context: subset } : undefined;
}
