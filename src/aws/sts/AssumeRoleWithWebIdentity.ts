import { z } from "zod";
import type { Need, Principal } from "../../domain/access.ts";
import { operation } from "./operation.ts";
import {
  accountOfRole,
  arnsOf,
  assumedView,
  checkRoleArn,
  MinimumSessionTokenSize,
  PolicyArns,
  SessionArn,
  SessionName,
  SessionPolicy,
  tagFacts,
} from "./shapes.ts";

export const AssumeRoleWithWebIdentity = operation("AssumeRoleWithWebIdentity", {
  input: {
    RoleArn: SessionArn,
    RoleSessionName: SessionName,
    WebIdentityToken: z.string().min(4).max(20_000),
    /** Of OAuth 2.0 access tokens, which name no issuer. None is taken here. */
    ProviderId: z.string().min(4).max(2048).optional(),
    PolicyArns: PolicyArns.optional(),
    Policy: SessionPolicy.optional(),
    DurationSeconds: z.number().int().min(900).max(43_200).optional(),
    MinimumSessionTokenSize: MinimumSessionTokenSize.optional(),
  },
  account: ({ RoleArn }) => accountOfRole(RoleArn),
  async caller({ RoleArn, WebIdentityToken }, { webIdentities }) {
    return webIdentities.verify(WebIdentityToken, checkRoleArn(RoleArn));
  },
  needs({ RoleArn, RoleSessionName }, _registry, { principal }) {
    const resource = checkRoleArn(RoleArn);
    const tags = tagsOfToken(principal);
    const facts = { "sts:rolesessionname": RoleSessionName, ...tagFacts(tags, principal.session?.transitiveTagKeys) };
    const needs: Need[] = [{ action: "sts:AssumeRoleWithWebIdentity", resource, facts }];
    if (tags.length > 0) needs.push({ action: "sts:TagSession", resource, facts });
    return needs;
  },
  throws: [
    "AccessDenied",
    "IssuerUnreachable",
    "MalformedPolicy",
    "PackedPolicyTooLarge",
    "InvalidInput",
    "Validation",
    "WebIdentityExpired",
    "WebIdentityInvalid",
    "WebIdentityRejected",
  ],
  async run(input, granted, { sessions, webIdentities }) {
    const { principal } = granted.caller;
    const made = await sessions.assumeRole(granted, checkRoleArn(input.RoleArn), {
      name: input.RoleSessionName,
      seconds: input.DurationSeconds,
      policy: input.Policy,
      policyArns: arnsOf(input.PolicyArns),
      tags: tagsOfToken(principal),
      transitiveTagKeys: principal.session?.transitiveTagKeys,
    });
    const { subject, audience, provider } = webIdentities.factsOf(principal);
    return {
      ...assumedView(made, input.MinimumSessionTokenSize),
      SubjectFromWebIdentityToken: subject,
      Audience: audience,
      Provider: provider,
    };
  },
});

function tagsOfToken({ session }: Principal) {
  return Object.entries(session?.tags ?? {}).map(([key, value]) => ({ key, value }));
}
