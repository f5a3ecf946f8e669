import { z } from "zod";
import type { Need, Principal } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { Arn } from "../../domain/names.ts";
import { pattern } from "../input.ts";
import { operation } from "./operation.ts";
import {
  accountOfRole,
  arnsOf,
  assumedView,
  checkRoleArn,
  MinimumSessionTokenSize,
  PolicyArns,
  refuseDevice,
  SerialNumber,
  SessionArn,
  SessionName,
  SessionPolicy,
  Tags,
  TokenCode,
  TransitiveTagKeys,
  tagFacts,
  tagsOf,
} from "./shapes.ts";

export const AssumeRole = operation("AssumeRole", {
  input: {
    RoleArn: SessionArn,
    RoleSessionName: SessionName,
    PolicyArns: PolicyArns.optional(),
    Policy: SessionPolicy.optional(),
    DurationSeconds: z.number().int().min(900).max(43_200).optional(),
    Tags: Tags.optional(),
    TransitiveTagKeys: TransitiveTagKeys.optional(),
    ExternalId: pattern("[\\w+=,.@:\\/-]*").min(2).max(1224).optional(),
    SerialNumber: SerialNumber.optional(),
    TokenCode: TokenCode.optional(),
    SourceIdentity: SessionName.optional(),
    ProvidedContexts: z
      .array(z.object({ ProviderArn: SessionArn.optional(), ContextAssertion: z.string().min(4).max(2048).optional() }))
      .max(5)
      .optional(),
    MinimumSessionTokenSize: MinimumSessionTokenSize.optional(),
  },
  account: ({ RoleArn }) => accountOfRole(RoleArn),
  needs(input, _registry, { principal }) {
    const resource = checkRoleArn(input.RoleArn);
    if (principal.kind === "federated") throw notForFederated(principal, resource);
    const tags = tagsOf(input.Tags);
    const facts = {
      "sts:rolesessionname": input.RoleSessionName,
      "sts:externalid": input.ExternalId,
      "sts:sourceidentity": input.SourceIdentity ?? inheritable(principal)?.sourceIdentity,
      ...tagFacts(tags, input.TransitiveTagKeys),
    };
    const needs: Need[] = [{ action: "sts:AssumeRole", resource, facts }];
    // What a chain of roles brings along needs the same permission as what is new.
    if (tags?.length || inheritable(principal)?.transitiveTagKeys) {
      needs.push({ action: "sts:TagSession", resource, facts });
    }
    if (facts["sts:sourceidentity"] !== undefined) needs.push({ action: "sts:SetSourceIdentity", resource, facts });
    return needs;
  },
  throws: ["AccessDenied", "Validation", "InvalidInput", "MalformedPolicy", "PackedPolicyTooLarge"],
  async run(input, granted, { sessions }) {
    refuseDevice(input);
    if (input.ProvidedContexts?.length) {
      throw refuse("Validation", { reason: "ProvidedContexts are not supported by this server" });
    }
    const made = await sessions.assumeRole(granted, checkRoleArn(input.RoleArn), {
      name: input.RoleSessionName,
      seconds: input.DurationSeconds,
      policy: input.Policy,
      policyArns: arnsOf(input.PolicyArns),
      tags: tagsOf(input.Tags),
      transitiveTagKeys: input.TransitiveTagKeys,
      sourceIdentity: input.SourceIdentity,
    });
    return assumedView(made, input.MinimumSessionTokenSize);
  },
});

/** Whatever policies say (STS API reference, GetFederationToken). */
function notForFederated({ arn }: Principal, resource: Arn) {
  const because = "because federated users cannot assume roles";
  return refuse("AccessDenied", { principal: arn, action: "sts:AssumeRole", resource, because });
}

function inheritable({ kind, session }: Principal) {
  return kind === "role" ? session : undefined;
}
