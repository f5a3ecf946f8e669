import type * as Sdk from "@aws-sdk/client-organizations";
import type { AccountCreation, DescribedOrganization } from "../../domain/identity/organization-members.ts";
import {
  accountArn,
  isBuiltIn,
  nodeArn,
  nodeKindOf,
  organizationArn,
  organizationPolicyArn,
} from "../../domain/identity/organization-names.ts";
import type { PolicyTarget } from "../../domain/identity/organization-policies.ts";
import type { Account, Organization, OrganizationalUnit, OrganizationPolicy } from "../../domain/identity/ports.ts";

/** What Organizations shows of things (Organizations API reference, "Data Types"). */

export function organizationView({ organization, managementEmail }: DescribedOrganization): Sdk.Organization {
  const { id, managementAccount } = organization;
  return {
    Id: id,
    Arn: organizationArn(organization),
    FeatureSet: "ALL",
    MasterAccountArn: accountArn(organization, managementAccount),
    MasterAccountId: managementAccount,
    MasterAccountEmail: managementEmail,
    AvailablePolicyTypes: typesView(organization),
  };
}

export function rootView(organization: Organization): Sdk.Root {
  const { rootId } = organization;
  return { Id: rootId, Arn: nodeArn(organization, rootId), Name: "Root", PolicyTypes: typesView(organization) };
}

function typesView({ policyTypes }: Organization): Sdk.PolicyTypeSummary[] {
  return policyTypes.map((Type) => ({ Type, Status: "ENABLED" }));
}

export function accountView(organization: Organization, account: Account): Sdk.Account {
  const { id, name, email, status, createdAt } = account;
  return {
    Id: id,
    Arn: accountArn(organization, id),
    Email: email,
    Name: name,
    Status: status,
    State: status,
    JoinedMethod: id === organization.managementAccount ? "INVITED" : "CREATED",
    JoinedTimestamp: createdAt,
  };
}

export function creationView({ id, at, account }: AccountCreation): Sdk.CreateAccountStatus {
  const times = { RequestedTimestamp: at, CompletedTimestamp: at };
  return account
    ? { Id: id, AccountName: account.name, State: "SUCCEEDED", ...times, AccountId: account.id }
    : { Id: id, State: "FAILED", ...times, FailureReason: "EMAIL_ALREADY_EXISTS" };
}

export function unitView(organization: Organization, { id, name }: OrganizationalUnit): Sdk.OrganizationalUnit {
  return { Id: id, Arn: nodeArn(organization, id), Name: name };
}

export function policySummaryView(organization: Organization, policy: OrganizationPolicy): Sdk.PolicySummary {
  const { id, name, description, type } = policy;
  return {
    Id: id,
    Arn: organizationPolicyArn(organization, policy),
    Name: name,
    Description: description,
    Type: type,
    AwsManaged: isBuiltIn(id),
  };
}

export function policyView(organization: Organization, policy: OrganizationPolicy): Sdk.Policy {
  return { PolicySummary: policySummaryView(organization, policy), Content: policy.document };
}

export function targetView(organization: Organization, { id, name }: PolicyTarget): Sdk.PolicyTargetSummary {
  const types = { root: "ROOT", unit: "ORGANIZATIONAL_UNIT", account: "ACCOUNT" } as const;
  return { TargetId: id, Arn: nodeArn(organization, id), Name: name, Type: types[nodeKindOf(id) ?? "account"] };
}
