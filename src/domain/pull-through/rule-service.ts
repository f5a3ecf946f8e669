import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Arn, Registry } from "../names.ts";
import { RemoteFailure } from "../registry/remote-registry.ts";
import { root } from "./rule-matching.ts";
import type { PullThroughMetadata } from "./rule-ports.ts";
import type { PullThroughOptions, PullThroughRule, UpstreamKind } from "./rules.ts";
import type { UpstreamAccess } from "./upstream-access.ts";
import { readCredentials, type UpstreamSecrets } from "./upstream-secrets.ts";
import { type Upstream, type UpstreamSettings, upstreamOf } from "./upstreams.ts";

export interface NewRule {
  readonly prefix: string;
  readonly upstreamUrl: string;
  /** Left out: what the URL says. */
  readonly upstream?: UpstreamKind;
  readonly upstreamPrefix?: string;
  readonly credentialArn?: string;
  readonly customRoleArn?: string;
}

/** The rules of a registry. Each method acts in the registry of the grant. */
export interface RuleService {
  /**
   * @throws UpstreamUnsupported, Validation, PullThroughRuleExists, LimitExceeded, UpstreamSecretNotFound,
   *   SecretInaccessible, SecretUndecryptable
   */
  create(granted: Granted, rule: NewRule): Promise<PullThroughRule>;
  /** By prefix; those that are named, or all. @throws PullThroughRuleNotFound for a prefix that is named */
  describe(granted: Granted, prefixes?: readonly string[]): Promise<PullThroughRule[]>;
  /** What is left out stays. @throws PullThroughRuleNotFound, and what is wrong with the secret */
  update(
    granted: Granted,
    prefix: string,
    change: Pick<NewRule, "credentialArn" | "customRoleArn">,
  ): Promise<PullThroughRule>;
  /** Replaces all of them. @throws PullThroughRuleNotFound */
  setOptions(granted: Granted, prefix: string, options: PullThroughOptions): Promise<PullThroughRule>;
  /** @throws PullThroughRuleNotFound */
  delete(granted: Granted, prefix: string): Promise<PullThroughRule>;
  /** Asks the upstream. What keeps it from answering is told as text. @throws PullThroughRuleNotFound */
  validate(granted: Granted, prefix: string): Promise<{ readonly rule: PullThroughRule; readonly failure?: string }>;
  /** What stands behind a URL, before anybody may do anything. */
  upstreamOf(url: string): Upstream | undefined;
  /** The same of a rule that may not exist. */
  upstreamOfRule(registry: Registry, prefix: string): Promise<Upstream | undefined>;
}

export interface RuleServiceParts {
  readonly metadata: PullThroughMetadata;
  readonly settings: UpstreamSettings;
  readonly secrets: UpstreamSecrets;
  readonly upstreams: UpstreamAccess;
  readonly clock: () => Date;
}

/** ECR user guide, "Amazon ECR service quotas". */
const maxRules = 50;
const pingTimeoutMs = 15_000;
/** What the grant has to be for too, where a secret goes to an upstream that is anybody's. */
export const readSecret = "secretsmanager:GetSecretValue";

export function createRules({ metadata, settings, secrets, upstreams, clock }: RuleServiceParts): RuleService {
  async function find(registry: Registry, prefix: string): Promise<PullThroughRule> {
    const rule = await metadata.read.pullThroughRules.find(registry, prefix);
    if (!rule) throw refuse("PullThroughRuleNotFound", { registry, prefix });
    return rule;
  }

  async function change(
    registry: Registry,
    prefix: string,
    changed: (rule: PullThroughRule) => PullThroughRule,
  ): Promise<PullThroughRule> {
    const rule = await metadata.transact(async ({ pullThroughRules }) => {
      const before = await pullThroughRules.lock(registry, prefix);
      if (!before) throw refuse("PullThroughRuleNotFound", { registry, prefix });
      const after = { ...changed(before), updatedAt: laterThan(before.updatedAt, clock()) };
      await pullThroughRules.update(after);
      return after;
    });
    upstreams.forget(registry);
    return rule;
  }

  /** Whoever makes a rule learns at once that its secret is of no use. */
  async function checkSecret(registry: Registry, arn: string | undefined): Promise<void> {
    if (arn !== undefined) await readCredentials(secrets, registry, arn);
  }

  /**
   * The rule may be another one by now than that for which the gate was asked, with an upstream that is anybody's.
   * @throws AccessDenied
   */
  function confirmSent({ caller, needs }: Granted, arn: string | undefined, { upstreamUrl }: PullThroughRule): void {
    if (arn === undefined || upstreamOf(upstreamUrl, settings)?.isAnybodys === false) return;
    if (needs.some(({ action, resource }) => action === readSecret && resource === arn)) return;
    const because = "because the rule was made anew meanwhile, with another upstream";
    throw refuse("AccessDenied", {
      principal: caller.principal.arn,
      action: readSecret,
      resource: arn as Arn,
      because,
    });
  }

  return {
    async create({ registry }, given) {
      const { prefix, upstreamUrl, upstreamPrefix = root, credentialArn, customRoleArn } = given;
      const upstream = upstreamOf(upstreamUrl, settings);
      if (!upstream || (given.upstream && given.upstream !== upstream.kind)) {
        throw refuse("UpstreamUnsupported", { url: upstreamUrl });
      }
      if (upstream.needsSecret && credentialArn === undefined) {
        throw refuse("Validation", { reason: `The upstream registry ${upstreamUrl} requires a credentialArn` });
      }
      if (prefix === root && upstreamPrefix !== root) {
        throw refuse("Validation", {
          reason: "An upstreamRepositoryPrefix can only be given where the ecrRepositoryPrefix is not ROOT",
        });
      }
      await checkSecret(registry, credentialArn);
      const at = clock();
      const { kind } = upstream;
      const times = { createdAt: at, updatedAt: at };
      const of = { registry, prefix, upstreamUrl, upstream: kind, upstreamPrefix };
      const namesUpstreamPrefix = given.upstreamPrefix !== undefined;
      const rule: PullThroughRule = { ...of, namesUpstreamPrefix, credentialArn, customRoleArn, ...times, options: {} };
      await metadata.transact(async ({ pullThroughRules }) => {
        if (!(await pullThroughRules.create(rule))) throw refuse("PullThroughRuleExists", { registry, prefix });
        if ((await pullThroughRules.list(registry)).length > maxRules) {
          const reason = `A registry can have at most ${maxRules} pull through cache rules`;
          throw refuse("LimitExceeded", { reason });
        }
      });
      upstreams.forget(registry);
      return rule;
    },

    async describe({ registry }, prefixes) {
      if (!prefixes) return await metadata.read.pullThroughRules.list(registry);
      const found: PullThroughRule[] = [];
      for (const prefix of new Set(prefixes)) found.push(await find(registry, prefix));
      return found;
    },

    async update(granted, prefix, given) {
      const { registry } = granted;
      await find(registry, prefix);
      await checkSecret(registry, given.credentialArn);
      return await change(registry, prefix, (rule) => {
        confirmSent(granted, given.credentialArn, rule);
        return {
          ...rule,
          credentialArn: given.credentialArn ?? rule.credentialArn,
          customRoleArn: given.customRoleArn ?? rule.customRoleArn,
        };
      });
    },

    setOptions: ({ registry }, prefix, options) => change(registry, prefix, (rule) => ({ ...rule, options })),

    async delete({ registry }, prefix) {
      const rule = await metadata.transact(async ({ pullThroughRules }) => {
        const found = await pullThroughRules.lock(registry, prefix);
        if (!found) throw refuse("PullThroughRuleNotFound", { registry, prefix });
        await pullThroughRules.delete(registry, prefix);
        return found;
      });
      upstreams.forget(registry);
      return rule;
    },

    async validate({ registry }, prefix) {
      const rule = await find(registry, prefix);
      try {
        const remote = await upstreams.openAnew(rule);
        await remote.ping({ signal: AbortSignal.timeout(pingTimeoutMs) });
        return { rule };
      } catch (error) {
        if (!(error instanceof RemoteFailure)) throw error;
        return { rule, failure: `The upstream registry ${rule.upstreamUrl} could not be accessed: ${error.detail}` };
      }
    },

    upstreamOf: (url) => upstreamOf(url, settings),
    async upstreamOfRule(registry, prefix) {
      const rule = await metadata.read.pullThroughRules.find(registry, prefix);
      return rule && upstreamOf(rule.upstreamUrl, settings);
    },
  };
}

/** Who remembers a rule knows it by this time. */
function laterThan(before: Date, now: Date): Date {
  return now > before ? now : new Date(before.getTime() + 1);
}
