import { createBusyControlPlane, createControlPlane } from "./aws/index.ts";
import { type Arrival, createAccess, type ResourcePolicies, resourcesByService } from "./domain/access.ts";
import { createLookup } from "./domain/audit/lookup.ts";
import type { AuditMetadata } from "./domain/audit/ports.ts";
import { createTrail, type TrailParts } from "./domain/audit/trail.ts";
import { createDenials } from "./domain/denials.ts";
import { createExplanations } from "./domain/explanations.ts";
import { createBearerTokens } from "./domain/identity/bearer-tokens.ts";
import type { CertificateIdentity } from "./domain/identity/certificate-identities.ts";
import { createClientCertificates } from "./domain/identity/client-certificates.ts";
import type { RootKey } from "./domain/identity/credentials.ts";
import { createIdentity } from "./domain/identity/identity.ts";
import { withResourceControl } from "./domain/identity/organization-standing.ts";
import type { IdentityMetadata } from "./domain/identity/ports.ts";
import { createSealer } from "./domain/identity/sealer.ts";
import { createServiceRoles } from "./domain/identity/service-roles.ts";
import type { IssuerKeys } from "./domain/identity/web-identity.ts";
import type { JobNouns } from "./domain/jobs/ports.ts";
import type { Keyring } from "./domain/keys/keyring.ts";
import type { KeyMetadata, KeyNouns, KeyWrapper } from "./domain/keys/ports.ts";
import { createKeyServices } from "./domain/keys/services.ts";
import type { Region, Registry } from "./domain/names.ts";
import { createPullThroughCache } from "./domain/pull-through/cache.ts";
import type { CacheNouns } from "./domain/pull-through/cache-ports.ts";
import { noteTags } from "./domain/pull-through/checks.ts";
import type { CacheCounts } from "./domain/pull-through/counts.ts";
import type { EcrTokens } from "./domain/pull-through/ecr-sign-in.ts";
import type { PullThroughMetadata } from "./domain/pull-through/rule-ports.ts";
import { createRules } from "./domain/pull-through/rule-service.ts";
import { createUpstreamAccess } from "./domain/pull-through/upstream-access.ts";
import { noFurtherUpstreams, type UpstreamSettings } from "./domain/pull-through/upstreams.ts";
import { pullThroughRecords } from "./domain/pull-through-trail.ts";
import { createRates, ecrRates, type Rate } from "./domain/rates.ts";
import { createAddresses } from "./domain/registry/addresses.ts";
import { createCreationTemplates } from "./domain/registry/creation-templates.ts";
import { createHolds } from "./domain/registry/holds.ts";
import { createImageFacts } from "./domain/registry/image-facts.ts";
import { createImages, type ForeignLayers } from "./domain/registry/images.ts";
import { createLayers } from "./domain/registry/layers.ts";
import { createLifecycleAnswers } from "./domain/registry/lifecycle-answers.ts";
import { createLifecyclePolicies } from "./domain/registry/lifecycle-policies.ts";
import { createLifecyclePreviews } from "./domain/registry/lifecycle-previews.ts";
import { createPace } from "./domain/registry/pace.ts";
import { createPolicies } from "./domain/registry/policies.ts";
import type { BlobStore, Metadata, Nouns } from "./domain/registry/ports.ts";
import { createPullTimeExclusions } from "./domain/registry/pull-time-exclusions.ts";
import { createPullTimes } from "./domain/registry/pull-times.ts";
import type { OpenRemote } from "./domain/registry/remote-registry.ts";
import { createRepositories } from "./domain/registry/repositories.ts";
import { createRepositoryMaking } from "./domain/registry/repository-maker.ts";
import { createRegistryResources } from "./domain/registry/resource-policies.ts";
import { createRetention } from "./domain/registry/retention.ts";
import { createScanning } from "./domain/registry/scanning.ts";
import { createSettings } from "./domain/registry/settings.ts";
import { createSigning } from "./domain/registry/signing.ts";
import { createStorageClasses } from "./domain/registry/storage-class.ts";
import { createUndelete } from "./domain/registry/undelete.ts";
import { createUsage } from "./domain/registry/usage.ts";
import { createBackfills } from "./domain/replication/backfills.ts";
import { localTargets } from "./domain/replication/local-target.ts";
import { createReplicationExtras } from "./domain/replication/options.ts";
import { type Peers, peerTargets } from "./domain/replication/peer-target.ts";
import type { ReplicationNouns } from "./domain/replication/ports.ts";
import { createReplication } from "./domain/replication/service.ts";
import type { OpenTarget } from "./domain/replication/target.ts";
import { replicateArrival, replicateRemoval, replicateRestored } from "./domain/replication/trigger.ts";
import { createRepositoryKeys } from "./domain/repository-keys.ts";
import { createSecretSealer } from "./domain/secret-sealing.ts";
import type { SecretMetadata } from "./domain/secrets/ports.ts";
import { createSecretResources } from "./domain/secrets/secret-resources.ts";
import { createSecrets } from "./domain/secrets/secrets.ts";
import { createUpstreamSecrets } from "./domain/upstream-secrets.ts";
import { busyDataPlane, createDataPlane, type DataPlane } from "./oci/index.ts";
import { createPolicyCompiler } from "./policy/compiler.ts";

export interface Parts {
  readonly metadata: Metadata<Nouns & KeyNouns & JobNouns & ReplicationNouns & CacheNouns> &
    IdentityMetadata &
    KeyMetadata &
    AuditMetadata &
    PullThroughMetadata &
    SecretMetadata;
  readonly blobs: BlobStore;
  readonly root: RootKey;
  readonly sealingKey: Uint8Array;
  readonly keyWrapper: KeyWrapper;
  readonly keyring: Keyring;
  readonly issuerKeys: IssuerKeys;
  /** Whether an OIDC provider at a loopback address may speak plain HTTP. */
  readonly allowInsecureIssuers: boolean;
  readonly publicUrl: string;
  readonly defaultRegion: Region;
  readonly regions?: readonly Region[];
  readonly createOnPush: boolean;
  /** Whether policies can let in whoever has not signed in. Left out: no. */
  readonly publicAccess?: boolean;
  /** Whom certificates of clients stand for. Left out: nobody. */
  readonly certificateIdentities?: readonly CertificateIdentity[];
  /** Whether manifests may name content that is kept elsewhere. Left out: yes, as in ECR. */
  readonly foreignLayers?: ForeignLayers;
  /** For how long what is deleted can be brought back. Left out: it is gone at once, as in ECR. */
  readonly undeleteMs?: number;
  /** From one evaluation of a lifecycle policy to the next. Left out: a day. */
  readonly lifecycleEveryMs?: number;
  /** Other servers that images are replicated to. Left out: none. */
  readonly peers?: Peers;
  /** Of layers that are replicated. Left out, or 0: as many as there can be. */
  readonly replicatedBytesPerSecond?: number;
  /** Which registries caches may stand before, beside those of ECR. Left out: none. */
  readonly upstreams?: UpstreamSettings;
  /** Told of what caches do. Left out: nobody. */
  readonly cacheCounts?: CacheCounts;
  /** How long caches wait before they go on with a broken transfer. Left out: a moment, longer each time. */
  readonly cachePauseMs?: number;
  /** Left out: no other registry is asked anything. */
  readonly openRemote?: OpenRemote;
  /** Left out: none are asked for. */
  readonly ecrTokens?: EcrTokens;
  readonly clock: () => Date;
  readonly log: { error(facts: Record<string, unknown>, message: string): void };
  readonly send: DataPlane["send"];
  /** Left out: none. */
  readonly limits?: Limits;
  readonly audit?: Pick<TrailParts, "pulls" | "queueLimit" | "patienceMs">;
}

export interface Limits {
  readonly openUploads: number;
  readonly apiBodyMegabytes: number;
  readonly rates: {
    readonly profile: "none" | "ecr";
    readonly own: readonly (Rate & { readonly operation: string })[];
  };
  readonly ratesPer: "account" | "principal";
}

export type Surface = (request: Request, arrival: Arrival) => Promise<Response>;

/** Policies that are kept ready for decisions. Beyond it, one that was not asked for longest is made ready anew. */
const maxCompiledPolicies = 10_000;

const dayMs = 24 * 60 * 60_000;

/** Berth without its sockets: the surfaces over the domain, over opened stores. */
export function compose(parts: Parts) {
  const domain = composeDomain(parts);
  const { sealer, credentials, pullTimes, keyUses, accounts, audit, upstreams, openTarget, pullThrough } = domain;
  const { root, clock, log, defaultRegion, regions, limits } = parts;
  const common = { log, clock, defaultRegion, regions, rates: limits && ratesOf(limits, clock) };
  const publicAccess = parts.publicAccess
    ? { tokens: createBearerTokens({ sealer, credentials, clock }), account: root.account }
    : undefined;
  const certificates = parts.certificateIdentities?.length
    ? createClientCertificates({ ...domain, identities: parts.certificateIdentities, read: parts.metadata.read, clock })
    : undefined;
  const registry: Surface = createDataPlane({
    ...domain,
    ...common,
    certificates,
    publicAccess,
    pageKeys: sealer,
    send: parts.send,
  });
  const maxBodiesBytes = limits && limits.apiBodyMegabytes * 1024 * 1024;
  const api: Surface = createControlPlane({ ...domain, ...common, certificates, maxBodiesBytes });
  const busy: { registry: Surface; api: Surface } = { registry: busyDataPlane, api: createBusyControlPlane({ clock }) };
  return { registry, api, busy, pullTimes, keyUses, accounts, audit, openTarget, upstreams, pullThrough };
}

export type DomainParts = Omit<Parts, "publicAccess" | "certificateIdentities" | "send">;

/** The domain over opened stores: who somebody is, what the registry keeps, the gate between them, and the audit trail. */
export function composeDomain(parts: DomainParts) {
  const {
    metadata,
    blobs,
    clock,
    root,
    log,
    limits,
    foreignLayers,
    undeleteMs,
    lifecycleEveryMs: everyMs = dayMs,
    createOnPush,
    regions,
    peers,
  } = parts;
  const sealer = createSealer(parts.sealingKey);
  const { compile } = createPolicyCompiler(maxCompiledPolicies);
  const home = { account: root.account, region: parts.defaultRegion };

  const identity = createIdentity({ ...parts, sealer, compile });
  const { principals, organizationStandings, roleResources, directory } = identity;

  const imageFacts = createImageFacts(metadata.read);
  const resources = createRegistryResources({ metadata, imageFacts, compile });
  const sealSecrets = createSecretSealer({ metadata, wrapper: parts.keyWrapper, keyring: parts.keyring, clock });
  const secrets = createSecrets({ metadata, sealer: sealSecrets, clock });
  const secretResources = createSecretResources(secrets);

  /** The gate, if one of those that keep resources were another. */
  const accessOver = (instead: { ecr?: ResourcePolicies; kms?: ResourcePolicies }) => {
    const keepers = resourcesByService({
      ecr: resources,
      iam: roleResources,
      kms: kms.resources,
      secretsmanager: secretResources,
      ...instead,
    });
    return createAccess({ principals, resources: withResourceControl(keepers, organizationStandings), clock });
  };
  const kms = createKeyServices({
    metadata,
    wrapper: parts.keyWrapper,
    keyring: parts.keyring,
    directory,
    compile,
    accessOver: (supposed) => accessOver({ kms: supposed }),
    clock,
  });
  const access = accessOver({});

  const ofRules = {
    metadata,
    settings: parts.upstreams ?? noFurtherUpstreams,
    secrets: createUpstreamSecrets(secrets),
    clock,
  };
  const upstreams = createUpstreamAccess({ ...ofRules, openRemote: parts.openRemote, ecrTokens: parts.ecrTokens });

  const keys = createRepositoryKeys({ ...kms, metadata, access, clock });
  const pullTimes = createPullTimes({ metadata, clock });
  const audit = createTrail({ ...parts.audit, metadata, home, clock, log });
  const repositories = createRepositories<Nouns & KeyNouns & JobNouns>({
    metadata,
    keys,
    imageFacts,
    resources,
    clock,
    undeleteMs,
  });
  const serviceRoles = createServiceRoles({ read: metadata.read, access, clock });
  const reaches = ({ region }: Registry) => peers?.has(region) || (regions?.includes(region) ?? true);
  const registry = {
    resources,
    pullTimes,
    addresses: createAddresses(parts.publicUrl),
    repositories,
    repositoryMaking: createRepositoryMaking({
      metadata,
      repositories,
      access,
      assumeRole: (role, registry, caller) => serviceRoles.assume("ecr.amazonaws.com", role, registry, caller),
      everyMs,
      createOnPush,
    }),
    policies: createPolicies({ metadata, directory, resources, accessOver: (ecr) => accessOver({ ecr }) }),
    layers: createLayers({
      metadata,
      blobs,
      keys,
      isCacheRepository: async (registry, name) => (await upstreams.match(registry, name)) !== undefined,
      clock,
      maxOpenUploads: limits?.openUploads,
    }),
    images: createImages<Nouns & JobNouns & ReplicationNouns & CacheNouns>({
      metadata,
      keys,
      imageFacts,
      pullTimes,
      clock,
      foreignLayers,
      undeleteMs,
      pushed: replicateArrival,
      cached: noteTags,
      removed: replicateRemoval,
    }),
    storageClasses: createStorageClasses<Nouns & JobNouns & ReplicationNouns>({
      metadata,
      imageFacts,
      clock,
      restored: replicateRestored,
    }),
    creationTemplates: createCreationTemplates({ metadata, directory, clock }),
    pullTimeExclusions: createPullTimeExclusions({ metadata, pullTimes, clock }),
    lifecyclePolicies: createLifecyclePolicies({ metadata, clock, everyMs }),
    lifecyclePreviews: createLifecyclePreviews({ metadata, clock }),
    settings: createSettings({ metadata, resources }),
    scanning: createScanning({ metadata, imageFacts, clock }),
    signing: createSigning({ metadata, imageFacts }),
    holds: createHolds({ metadata, clock }),
    retention: createRetention({ metadata }),
    undelete: createUndelete<Nouns & KeyNouns & JobNouns>({ metadata, keys, resources, clock, everyMs }),
    lifecycleAnswers: createLifecycleAnswers({ metadata, clock }),
    usage: createUsage({ metadata, clock }),
    pullThroughRules: createRules({ ...ofRules, upstreams }),
    upstreams,
    backfills: createBackfills({ metadata, clock }),
    replication: createReplication({ metadata, clock, reaches }),
    replicationExtras: createReplicationExtras({ metadata, clock, reaches }),
  };
  const pullThrough = createPullThroughCache({
    ...registry,
    metadata,
    blobs,
    access,
    keys,
    making: registry.repositoryMaking,
    records: pullThroughRecords(audit, clock),
    counts: parts.cacheCounts,
    pauseMs: parts.cachePauseMs,
    clock,
  });
  const pace = createPace(parts.replicatedBytesPerSecond ?? 0);
  const replication = { ...registry, metadata, blobs, access, keys, pace, clock, everyMs };
  const openTarget = targetsFor(localTargets(replication), peers && peerTargets({ ...replication, peers }), peers);

  return {
    ...identity,
    ...registry,
    kms,
    secrets,
    sealer,
    access,
    home,
    openTarget,
    audit,
    pullThrough,
    lookup: createLookup(metadata),
    explanations: createExplanations({ access, principals, denials: createDenials(metadata.read.audit) }),
  };
}

/** A region of a peer is there, whatever of it this database has. */
function targetsFor(local: OpenTarget, ofPeers: OpenTarget | undefined, peers: Peers | undefined): OpenTarget {
  return (source, destination, options) =>
    (ofPeers && peers?.has(destination.region) ? ofPeers : local)(source, destination, options);
}

/** Nothing where nothing is limited, so that a request pays nothing for it. */
function ratesOf({ rates: { profile, own }, ratesPer }: Limits, clock: () => Date) {
  const limits: Record<string, Rate> = profile === "ecr" ? { ...ecrRates } : {};
  for (const { operation, perSecond, burst } of own) limits[operation] = { perSecond, burst };
  return Object.keys(limits).length === 0 ? undefined : createRates({ limits, per: ratesPer, clock });
}
