import { refuse } from "../errors.ts";
import { type AccountId, type Arn, parseAccountId } from "../names.ts";
import { awsManagedDocument, isAwsManaged } from "./aws-managed-policies.ts";
import { arnOf } from "./directory.ts";
import { findEntity } from "./entities.ts";
import type { Identity, IdentityKind, IdentityNouns, ManagedDocument, NamedDocument } from "./ports.ts";

/** A policy with the name that IAM's simulator has for it. */
export interface SourcePolicy {
  readonly id: string;
  readonly document: string;
  /** What it is of a user, group or role. Absent for one that a simulation brought along. */
  readonly origin?: PolicyOrigin;
}

export type PolicyOrigin =
  | { readonly type: "aws-managed" | "user-managed"; readonly arn: string }
  | { readonly type: "inline"; readonly kind: IdentityKind; readonly entity: string; readonly name: string };

/** A user, group or role with all policies that it has. */
export interface PolicySubject {
  readonly entity: Identity;
  readonly policies: readonly SourcePolicy[];
  /** Absent: it has no boundary. */
  readonly boundary?: readonly SourcePolicy[];
}

/** @throws InvalidInput for what is no ARN of a user, group or role, NoSuchEntity */
export async function policySubject(
  read: Pick<IdentityNouns, "identities">,
  account: AccountId,
  arn: Arn,
): Promise<PolicySubject> {
  const { kind, name } = parseEntityArn(arn, account);
  const entity = await findEntity(read, account, kind, name);
  // Permission was asked for the ARN as it was given.
  const found = arnOf(entity) === arn ? await read.identities.withPolicies(entity.uniqueId) : undefined;
  if (!found) throw refuse("NoSuchEntity", { reason: `The ${kind} with name ${name} cannot be found.` });
  const { inline, attached, groups, boundary } = found;
  return {
    entity,
    policies: [
      ...inlineSources(entity, inline),
      ...managedSources(attached),
      ...groups.flatMap(({ group, inline, attached }) => [
        ...inlineSources(group, inline),
        ...managedSources(attached),
      ]),
    ],
    boundary: boundary && managedSources([boundary]),
  };
}

function inlineSources({ kind, name }: Identity, policies: readonly NamedDocument[]): SourcePolicy[] {
  return policies.map((policy) => ({
    id: `${kind}_${name}_${policy.name}`,
    document: policy.document,
    origin: { type: "inline", kind, entity: name, name: policy.name },
  }));
}

/** What is gone says nothing. */
function managedSources(policies: readonly ManagedDocument[]): SourcePolicy[] {
  return policies.flatMap(({ arn, document = awsManagedDocument(arn) }) =>
    document === undefined ? [] : [managedSource(arn, document)],
  );
}

function managedSource(arn: Arn, document: string): SourcePolicy {
  const type = isAwsManaged(arn) ? "aws-managed" : "user-managed";
  return { id: arn.slice(arn.lastIndexOf("/") + 1), document, origin: { type, arn } };
}

const entityArn = /^arn:aws:iam::([0-9]{12}):(user|group|role)\/(?:[\x21-\x7e]*\/)?([\w+=,.@-]+)$/;

function parseEntityArn(arn: string, account: AccountId): { kind: IdentityKind; name: string } {
  const [, accountText = "", kind, name = ""] = entityArn.exec(arn) ?? [];
  if (parseAccountId(accountText) === account && kind) return { kind: kind as IdentityKind, name };
  throw refuse("InvalidInput", { reason: `Invalid Entity Arn: ${arn} does not clearly define entity type and name.` });
}
