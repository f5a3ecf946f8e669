import { expect, test } from "bun:test";
import type { Granted } from "../access.ts";
import { createRules, readSecret } from "./rule-service.ts";
import type { PullThroughRule } from "./rules.ts";

const registry = { account: "123456789012", region: "us-east-1" };
const credentialArn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub-AbCdEf";
const prefix = "raced";

/** Rules where the one of `prefix` leads to `upstreamUrl` once it is locked, whatever was there before. */
function rulesThatBecome(upstreamUrl: string) {
  const updated: PullThroughRule[] = [];
  const ruleTo = (url: string) => ({ registry, prefix, upstreamUrl: url, updatedAt: new Date(0), options: {} });
  const pullThroughRules = {
    find: async () => ruleTo("quay.io"),
    lock: async () => ruleTo(upstreamUrl),
    update: async (rule: PullThroughRule) => void updated.push(rule),
  };
  const rules = createRules({
    metadata: {
      read: { pullThroughRules },
      transact: (work: (nouns: object) => unknown) => work({ pullThroughRules }),
    },
    settings: { further: [{ pattern: "*.example.com", kind: "oci" }], private: [], insecure: [], mirrors: [] },
    secrets: { read: async () => '{"username":"me","accessToken":"t0p"}' },
    upstreams: { forget: () => {} },
    clock: () => new Date(1),
  } as never);
  const grantedFor = (...needs: object[]) =>
    ({ registry, caller: { principal: { arn: "arn:aws:iam::123456789012:user/u" } }, needs }) as unknown as Granted;
  return { rules, updated, grantedFor };
}

const update = { action: "ecr:UpdatePullThroughCacheRule", resource: "*" };

test("a rule that was made anew for a host that could be anybody's, since the gate was asked, is sent no secret", async () => {
  const { rules, updated, grantedFor } = rulesThatBecome("evil.example.com");
  for (const granted of [grantedFor(update), grantedFor(update, { action: readSecret, resource: `${credentialArn}x` })])
    await expect(rules.update(granted, prefix, { credentialArn })).rejects.toMatchObject({ code: "AccessDenied" });
  expect(updated).toEqual([]);
  await rules.update(grantedFor(update), prefix, {});
  await rules.update(grantedFor(update, { action: readSecret, resource: credentialArn }), prefix, { credentialArn });
  expect(updated).toMatchObject([{ credentialArn: undefined }, { credentialArn }]);
});

test("ECR's own upstreams are sent secrets by whoever may change the rule", async () => {
  const { rules, updated, grantedFor } = rulesThatBecome("quay.io");
  await rules.update(grantedFor(update), prefix, { credentialArn });
  expect(updated).toMatchObject([{ credentialArn, upstreamUrl: "quay.io" }]);
});
