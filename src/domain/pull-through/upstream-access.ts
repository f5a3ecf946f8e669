import { Refusal } from "../errors.ts";
import { createFresh } from "../fresh.ts";
import type { Registry } from "../names.ts";
import {
  type OpenRemote,
  type RemoteCredentials,
  RemoteFailure,
  type RemoteRegistry,
} from "../registry/remote-registry.ts";
import { type EcrTokens, ecrCredentials } from "./ecr-sign-in.ts";
import { inOrderOfTrial, matchRule } from "./rule-matching.ts";
import type { PullThroughMetadata } from "./rule-ports.ts";
import type { PullThroughRule, PullThroughUpstreams } from "./rules.ts";
import { readCredentials, type UpstreamSecrets } from "./upstream-secrets.ts";
import { targetOf, type UpstreamSettings } from "./upstreams.ts";

export interface UpstreamAccessParts {
  readonly metadata: Pick<PullThroughMetadata, "read">;
  readonly settings: UpstreamSettings;
  readonly secrets: UpstreamSecrets;
  /** Left out: this Berth asks no other registries. */
  readonly openRemote?: OpenRemote;
  /** Left out: secrets for ECR at AWS hold its own user and password. */
  readonly ecrTokens?: EcrTokens;
  readonly clock: () => Date;
}

export interface UpstreamAccess extends PullThroughUpstreams {
  /** A rule was changed in this process: its next request sees it. */
  forget(registry: Registry): void;
  /** As `open`, with nothing remembered of what the upstream refused: for who wants to know how things are now. */
  openAnew(rule: PullThroughRule): Promise<RemoteRegistry>;
}

/** Registries whose rules are remembered at once, and ways to upstreams. */
const maxRegistries = 10_000;
const maxOpened = 1_000;

export function createUpstreamAccess({
  metadata,
  settings,
  secrets,
  openRemote,
  ecrTokens,
  clock,
}: UpstreamAccessParts): UpstreamAccess {
  const rules = createFresh<readonly PullThroughRule[]>({
    async read(key) {
      const [account, region] = key.split(" ");
      return inOrderOfTrial(await metadata.read.pullThroughRules.list({ account, region } as Registry));
    },
    maxEntries: maxRegistries,
  });
  /** Least recently used first. A rule that has changed is another one. */
  const opened = new Map<string, RemoteRegistry>();

  function open(rule: PullThroughRule): RemoteRegistry {
    const target = targetOf(rule.upstreamUrl, settings);
    if (!target) throw outOfBounds(`${rule.upstreamUrl} is not among the upstreams that are allowed here`);
    if (!openRemote) throw outOfBounds("this server asks no other registries");
    const { mirror, ...rest } = target;
    return openRemote({ ...rest, credentials: mirror ? given(mirror.credentials) : credentialsOf(rule) });
  }

  function credentialsOf(rule: PullThroughRule): RemoteCredentials | undefined {
    const { registry, credentialArn, upstream, upstreamUrl } = rule;
    if (credentialArn === undefined) return undefined;
    const read = () => readUpstream(secrets, registry, credentialArn);
    return upstream === "ecr" && ecrTokens ? ecrCredentials(upstreamUrl, read, { ecrTokens, clock }) : { read };
  }

  function keep(rule: PullThroughRule, anew: boolean): RemoteRegistry {
    const { registry, prefix, upstreamUrl, updatedAt } = rule;
    const key = JSON.stringify([registry.account, registry.region, prefix, upstreamUrl, updatedAt]);
    const remote = (anew ? undefined : opened.get(key)) ?? open(rule);
    opened.delete(key);
    opened.set(key, remote);
    if (opened.size > maxOpened) opened.delete(opened.keys().next().value ?? "");
    return remote;
  }

  return {
    async match(registry, name) {
      const known = await rules.get(keyOf(registry));
      return known.length === 0 ? undefined : matchRule(known, name);
    },
    open: async (rule) => keep(rule, false),
    openAnew: async (rule) => keep(rule, true),
    forget: (registry) => rules.forget(keyOf(registry)),
  };
}

function given(credentials: { user: string; password: string } | undefined): RemoteCredentials | undefined {
  return credentials && { read: async () => credentials };
}

/** Never goes on without them: an upstream that answers nobody in particular may show other content. @throws RemoteFailure */
async function readUpstream(secrets: UpstreamSecrets, registry: Registry, arn: string) {
  try {
    return await readCredentials(secrets, registry, arn);
  } catch (cause) {
    const detail = cause instanceof Refusal ? cause.message : "the credentials of the upstream cannot be read now";
    throw new RemoteFailure(cause instanceof Refusal ? "denied" : "unavailable", detail, { cause });
  }
}

function outOfBounds(detail: string): RemoteFailure {
  return new RemoteFailure("out-of-bounds", detail);
}

function keyOf({ account, region }: Registry): string {
  return `${account} ${region}`;
}
