import { z } from "zod";
import type { Need } from "../../domain/access.ts";
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
  needs({ RoleArn, RoleSessionName }): Need[] {
    const facts = { "sts:rolesessionname": RoleSessionName };
    return [{ action: "sts:AssumeRoleWithWebIdentity", resource: checkRoleArn(RoleArn), facts }];
  },
  throws: [
    "AccessDenied",
    "IssuerUnreachable",
    "MalformedPolicy",
    "PackedPolicyTooLarge",
    "Validation",
    "WebIdentityExpired",
    "WebIdentityInvalid",
    "WebIdentityRejected",
  ],
  async run(input, granted, { sessions, webIdentities }) {
    const made = await sessions.assumeRole(granted, checkRoleArn(input.RoleArn), {
      name: input.RoleSessionName,
      seconds: input.DurationSeconds,
      policy: input.Policy,
      policyArns: arnsOf(input.PolicyArns),
    });
    const { subject, audience, provider } = webIdentities.factsOf(granted.caller.principal);
    return {
      ...assumedView(made, input.MinimumSessionTokenSize),
      SubjectFromWebIdentityToken: subject,
      Audience: audience,
      Provider: provider,
    };
  },
});
