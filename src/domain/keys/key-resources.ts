import type { CompiledPolicy } from "../../policy/compile.ts";
import type { PolicyCompiler } from "../../policy/compiler.ts";
import type { KeyUse, Need, PoliciesOfResource, ResourcePolicies } from "../access.ts";
import { type KeyId, parseKeyArn, type Registry } from "../names.ts";
import { grantNamesOf, policiesOfGrants } from "./grant-policies.ts";
import { type Keyring, type KnownKey, keySpecFacts } from "./keyring.ts";
import type { Grant } from "./ports.ts";

/** What keys have to say about requests. */
export interface KeyResources extends ResourcePolicies {
  /** The same, if the key had another policy, or if there were a key with it. */
  supposing(instead: SupposedPolicy): ResourcePolicies;
}

export interface SupposedPolicy {
  /** The ARN of the key. */
  readonly arn: string;
  readonly policy: string;
  readonly bindings: ReadonlyMap<string, string>;
}

export interface KeyResourcesParts {
  readonly keyring: Keyring;
  readonly compile: PolicyCompiler["compile"];
}

/**
 * Its policy has to allow whatever is done with a key. Where it lets the account in, the policies of the account's users
 * and roles decide; grants allow beside it.
 */
export function createKeyResources({ keyring, compile }: KeyResourcesParts): KeyResources {
  async function gather(registry: Registry, need: Need, instead?: SupposedPolicy): Promise<PoliciesOfResource> {
    const { resource: arn, keyUse } = need;
    if (instead && instead.arn === arn) {
      const { policy, bindings } = instead;
      const supposed = compile(policy, { kind: "key", name: `policy of ${arn}` }, { bindings });
      const facts = (await known(registry, need))?.facts ?? keySpecFacts;
      return { resource: [supposed], resourceMustAllow: true, facts };
    }
    const found = await known(registry, need);
    if (!found) return { resource: [], facts: {} };
    const granted = keyUse ? await grantedBy(found, keyUse) : [];
    return { resource: [found.policy, ...granted], resourceMustAllow: true, facts: found.facts };
  }

  async function grantedBy({ key, arn }: KnownKey, use: KeyUse): Promise<CompiledPolicy[]> {
    const grants = use.madeFor ? await madeFor(key.id, use, use.madeFor) : await grantsTo(key.id, use);
    return policiesOfGrants(grants, arn, use, compile);
  }

  async function grantsTo(id: KeyId, { principal, grant }: KeyUse): Promise<readonly Grant[]> {
    const grants = await keyring.grantsTo(id, grantNamesOf(principal));
    return grant === undefined ? grants : grants.filter((some) => some.id === grant);
  }

  /** By id, because a key may have many for the same service. */
  async function madeFor(
    id: KeyId,
    { principal }: KeyUse,
    { grants, context }: NonNullable<KeyUse["madeFor"]>,
  ): Promise<readonly Grant[]> {
    const found = await Promise.all(grants.map((grant) => keyring.grant(id, grant)));
    const there = found.filter((grant) => grant !== undefined);
    return there.length > 0 ? there : keyring.grantsWithin(id, principal.arn, context);
  }

  async function known({ account, region }: Registry, { resource }: Need) {
    const named = parseKeyArn(resource);
    if (!named?.id || named.registry.account !== account || named.registry.region !== region) return undefined;
    const found = await keyring.find(named.id);
    return found?.arn === resource ? found : undefined;
  }

  return {
    of: (registry, need) => gather(registry, need),
    supposing: (instead) => ({ of: (registry, need) => gather(registry, need, instead) }),
  };
}
