import { createBusyControlPlane, createControlPlane } from "./aws/index.ts";
import { type Arrival, createAccess, type ResourcePolicies, resourcesByService } from "./domain/access.ts";
import { createLookup } from "./domain/audit/lookup.ts";
import type { AuditMetadata } from "./domain/audit/ports.ts";
import { createTrail, type TrailParts } from "./domain/audit/trail.ts";
import { createDenials } from "./domain/denials.ts";
import { createExplanations } from "./domain/explanations.ts";
import { createAccounts } from "./domain/identity/accounts.ts";
import { awsManagedDocument } from "./domain/identity/aws-managed-policies.ts";
import { createBearerTokens } from "./domain/identity/bearer-tokens.ts";
import type { RootKey } from "./domain/identity/credentials.ts";
import { createPrincipalDirectory } from "./domain/identity/directory.ts";
import { createOrganizationPolicies, withResourceControl } from "./domain/identity/organization.ts";
import { createOrganizations } from "./domain/identity/organizations.ts";
import type { IdentityMetadata } from "./domain/identity/ports.ts";
import { createRoleResources } from "./domain/identity/role-resources.ts";
import { createRoleServices } from "./domain/identity/role-services.ts";
import { createSealer } from "./domain/identity/sealer.ts";
import { createUserServices } from "./domain/identity/user-services.ts";
import type { IssuerKeys } from "./domain/identity/web-identity.ts";
import { createWhoIsWho } from "./domain/identity/who-is-who.ts";
import type { KeyMetadata, KeyWrapper } from "./domain/keys/ports.ts";
import { createKeyServices } from "./domain/keys/services.ts";
import type { Region } from "./domain/names.ts";
import { createRates, ecrRates, type Rate } from "./domain/rates.ts";
import { createAddresses } from "./domain/registry/addresses.ts";
import { createImageFacts } from "./domain/registry/image-facts.ts";
import { createImages } from "./domain/registry/images.ts";
import { createLayers } from "./domain/registry/layers.ts";
import { createPolicies } from "./domain/registry/policies.ts";
import type { BlobStore, Metadata } from "./domain/registry/ports.ts";
import { createPullTimes } from "./domain/registry/pull-times.ts";
import { createRepositories } from "./domain/registry/repositories.ts";
import { createRegistryResources } from "./domain/registry/resource-policies.ts";
import { createSettings } from "./domain/registry/settings.ts";
import { busyDataPlane, createDataPlane, type DataPlane } from "./oci/index.ts";
import { createPolicyCompiler } from "./policy/compiler.ts";

export interface Parts {
  readonly metadata: Metadata & IdentityMetadata & KeyMetadata & AuditMetadata;
  readonly blobs: BlobStore;
  readonly root: RootKey;
  readonly sealingKey: Uint8Array;
  readonly keyWrapper: KeyWrapper;
  readonly issuerKeys: IssuerKeys;
  /** Whether an OIDC provider at a loopback address may speak plain HTTP. */
  readonly allowInsecureIssuers: boolean;
  readonly publicUrl: string;
  readonly defaultRegion: Region;
  readonly regions?: readonly Region[];
  readonly createOnPush: boolean;
  /** Whether policies can let in whoever has not signed in. Left out: no. */
  readonly publicAccess?: boolean;
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

/** The domain over opened stores, and the surfaces over the domain: Berth without its sockets. */
export function compose(parts: Parts) {
  const { metadata, blobs, clock, root, log, defaultRegion, regions, limits } = parts;
  const sealer = createSealer(parts.sealingKey);
  const { compile } = createPolicyCompiler(maxCompiledPolicies);
  const organizationPolicies = createOrganizationPolicies({ metadata, compile });
  const { credentials, tokens, principals, sessions, webIdentities, keyUses } = createWhoIsWho({
    metadata,
    root,
    sealer,
    compile,
    managedDocument: awsManagedDocument,
    organization: organizationPolicies,
    issuerKeys: parts.issuerKeys,
    clock,
  });
  const directory = createPrincipalDirectory({ metadata });
  const imageFacts = createImageFacts(metadata.read);
  const resources = createRegistryResources({ metadata, imageFacts, compile });
  const roles = createRoleResources({ read: metadata.read, compile });
  const accessOver = (keepers: { ecr?: ResourcePolicies; kms?: ResourcePolicies }) => {
    const all = { ecr: resources, iam: roles, kms: keyServices.resources, ...keepers };
    return createAccess({
      principals,
      resources: withResourceControl(resourcesByService(all), organizationPolicies),
      clock,
    });
  };
  const keyServices = createKeyServices({
    metadata,
    wrapper: parts.keyWrapper,
    directory,
    compile,
    accessOver: (kms) => accessOver({ kms }),
    clock,
  });
  const access = accessOver({});
  const accounts = createAccounts({ metadata, sealer, configured: root.account, clock });
  const organizations = createOrganizations({
    metadata,
    configured: root.account,
    clock,
    changed() {
      organizationPolicies.changed();
      principals.changed();
    },
  });
  const roleServices = createRoleServices({
    metadata,
    directory,
    principals,
    clock,
    allowInsecureIssuers: parts.allowInsecureIssuers,
    changed: principals.changed,
  });
  const iam = { ...roleServices, ...createUserServices({ metadata, sealer, changed: principals.changed, clock }) };
  const addresses = createAddresses(parts.publicUrl);
  const pullTimes = createPullTimes({ metadata, clock });
  const repositories = createRepositories({ metadata, imageFacts, resources, clock });
  const policies = createPolicies({ metadata, directory, resources, accessOver: (ecr) => accessOver({ ecr }) });
  const layers = createLayers({ metadata, blobs, clock, maxOpenUploads: limits?.openUploads });
  const images = createImages({ metadata, imageFacts, pullTimes, clock });
  const settings = createSettings({ metadata, resources });
  const rates = limits && ratesOf(limits, clock);
  const publicAccess = parts.publicAccess
    ? { tokens: createBearerTokens({ sealer, credentials, clock }), account: root.account }
    : undefined;
  const home = { account: root.account, region: defaultRegion };
  const audit = createTrail({ ...parts.audit, metadata, home, clock, log });
  const common = {
    access,
    resources,
    addresses,
    credentials,
    tokens,
    repositories,
    layers,
    images,
    defaultRegion,
    regions,
    clock,
    log,
    rates,
    audit,
    home,
  };
  const registry: Surface = createDataPlane({
    ...common,
    publicAccess,
    pageKeys: sealer,
    createOnPush: parts.createOnPush,
    send: parts.send,
  });
  const api: Surface = createControlPlane({
    ...common,
    explanations: createExplanations({ access, principals, denials: createDenials(metadata.read.audit) }),
    registryTokens: tokens,
    sessions,
    webIdentities,
    settings,
    lookup: createLookup(metadata),
    organizations,
    iam,
    kms: keyServices,
    policies,
    sealer,
    maxBodiesBytes: limits && limits.apiBodyMegabytes * 1024 * 1024,
  });
  const busy: { registry: Surface; api: Surface } = { registry: busyDataPlane, api: createBusyControlPlane({ clock }) };
  return { registry, api, busy, pullTimes, keyUses, accounts, audit };
}

/** Nothing where nothing is limited, so that a request pays nothing for it. */
function ratesOf({ rates: { profile, own }, ratesPer }: Limits, clock: () => Date) {
  const limits: Record<string, Rate> = profile === "ecr" ? { ...ecrRates } : {};
  for (const { operation, perSecond, burst } of own) limits[operation] = { perSecond, burst };
  return Object.keys(limits).length === 0 ? undefined : createRates({ limits, per: ratesPer, clock });
}
