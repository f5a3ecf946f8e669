import { z } from "zod";
import type { Need } from "../../domain/access.ts";
import type { Arn } from "../../domain/names.ts";
import { CallRefused } from "../errors.ts";
import { pattern } from "../input.ts";
import { operation } from "./operation.ts";
import {
  arnsOf,
  credentialsView,
  MinimumSessionTokenSize,
  PolicyArns,
  SessionPolicy,
  Tags,
  tagFacts,
  tagsOf,
} from "./shapes.ts";

export const GetFederationToken = operation("GetFederationToken", {
  input: {
    Name: pattern("[\\w+=,.@-]*").min(2).max(32),
    Policy: SessionPolicy.optional(),
    PolicyArns: PolicyArns.optional(),
    DurationSeconds: z.number().int().min(900).max(129_600).optional(),
    Tags: Tags.optional(),
    MinimumSessionTokenSize: MinimumSessionTokenSize.optional(),
  },
  needs({ Name, Tags }, { account }) {
    const resource = `arn:aws:sts::${account}:federated-user/${Name}` as Arn;
    const tags = tagsOf(Tags);
    const facts = tagFacts(tags);
    const needs: Need[] = [{ action: "sts:GetFederationToken", resource, facts }];
    if (tags?.length) needs.push({ action: "sts:TagSession", resource, facts });
    return needs;
  },
  throws: ["AccessDenied", "Validation", "InvalidInput", "MalformedPolicy", "PackedPolicyTooLarge"],
  async run(input, granted, { sessions }, key) {
    if (key.temporary) {
      throw new CallRefused("AccessDenied", "Cannot call GetFederationToken with session credentials");
    }
    const { principal, credentials, packedPercent } = await sessions.federate(granted, key, {
      name: input.Name,
      seconds: input.DurationSeconds,
      policy: input.Policy,
      policyArns: arnsOf(input.PolicyArns),
      tags: tagsOf(input.Tags),
    });
    return {
      Credentials: credentialsView(credentials, input.MinimumSessionTokenSize),
      FederatedUser: { FederatedUserId: principal.userId, Arn: principal.arn },
      PackedPolicySize: packedPercent,
    };
  },
});
