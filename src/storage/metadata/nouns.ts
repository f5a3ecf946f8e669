import type { Kysely } from "kysely";
import type { AuditNouns } from "../../domain/audit/ports.ts";
import type { IdentityNouns } from "../../domain/identity/ports.ts";
import type { JobNouns } from "../../domain/jobs/ports.ts";
import type { KeyNouns } from "../../domain/keys/ports.ts";
import type { CacheNouns } from "../../domain/pull-through/cache-ports.ts";
import type { PullThroughNouns } from "../../domain/pull-through/rule-ports.ts";
import type { Nouns } from "../../domain/registry/ports.ts";
import type { ReplicationNouns } from "../../domain/replication/ports.ts";
import type { SecretNouns } from "../../domain/secrets/ports.ts";
import { accessKeys } from "./access-keys.ts";
import { accounts } from "./accounts.ts";
import { audit } from "./audit.ts";
import { awaited } from "./awaited.ts";
import { backfills } from "./backfills.ts";
import { blobPlaces } from "./blob-places.ts";
import { blobs } from "./blobs.ts";
import { creationTemplates } from "./creation-templates.ts";
import { deletedImages } from "./deleted-images.ts";
import { deletedRepositories } from "./deleted-repositories.ts";
import type { Flavour } from "./flavour.ts";
import { garbage } from "./garbage.ts";
import { holds } from "./holds.ts";
import { identities } from "./identities.ts";
import { imageScans, imageSignings } from "./image-scans.ts";
import { images } from "./images.ts";
import { inspection } from "./inspection.ts";
import { schedules } from "./job-schedules.ts";
import { jobs } from "./jobs.ts";
import { keyAliases } from "./key-aliases.ts";
import { keyGrants } from "./key-grants.ts";
import { keys } from "./keys.ts";
import { layers } from "./layers.ts";
import { lifecycleImages } from "./lifecycle-images.ts";
import { lifecyclePolicies } from "./lifecycle-policies.ts";
import { lifecyclePreviews } from "./lifecycle-previews.ts";
import { managedPolicies } from "./managed-policies.ts";
import { oidcProviders } from "./oidc-providers.ts";
import { organizations } from "./organizations.ts";
import { pullThroughRules } from "./pull-through-rules.ts";
import { pullTimeExclusions } from "./pull-time-exclusions.ts";
import { registryConfigurations } from "./registry-configurations.ts";
import { registryPolicies } from "./registry-policies.ts";
import { replication } from "./replication.ts";
import { repositories } from "./repositories.ts";
import { retentions } from "./retentions.ts";
import type { Schema } from "./schema.ts";
import { secrets } from "./secrets.ts";
import { settings } from "./settings.ts";
import { tags } from "./tags.ts";
import { uploads } from "./uploads.ts";
import { upstreamChecks } from "./upstream-checks.ts";
import { usage } from "./usage.ts";

/** What everybody says to the database, in the same transactions. */
export type AllNouns = Nouns &
  IdentityNouns &
  KeyNouns &
  AuditNouns &
  JobNouns &
  ReplicationNouns &
  PullThroughNouns &
  CacheNouns &
  SecretNouns;

/** Everything that can be said to the database, through one connection or transaction. */
export function nouns(db: Kysely<Schema>, flavour: Flavour): AllNouns {
  return {
    repositories: repositories(db, flavour),
    layers: layers(db, flavour),
    awaited: awaited(db, flavour),
    upstreamChecks: upstreamChecks(db, flavour),
    uploads: uploads(db, flavour),
    images: images(db, flavour),
    tags: tags(db, flavour),
    settings: settings(db, flavour),
    registryPolicies: registryPolicies(db, flavour),
    registryConfigurations: registryConfigurations(db, flavour),
    imageScans: imageScans(db, flavour),
    imageSignings: imageSignings(db, flavour),
    pullTimeExclusions: pullTimeExclusions(db, flavour),
    creationTemplates: creationTemplates(db, flavour),
    lifecycleImages: lifecycleImages(db, flavour),
    lifecyclePolicies: lifecyclePolicies(db, flavour),
    lifecyclePreviews: lifecyclePreviews(db, flavour),
    holds: holds(db, flavour),
    retentions: retentions(db, flavour),
    deletedImages: deletedImages(db, flavour),
    deletedRepositories: deletedRepositories(db, flavour),
    blobs: blobs(db, flavour),
    blobPlaces: blobPlaces(db, flavour),
    garbage: garbage(db, flavour),
    inspection: inspection(db, flavour),
    usage: usage(db, flavour),
    accounts: accounts(db, flavour),
    identities: identities(db, flavour),
    accessKeys: accessKeys(db, flavour),
    managedPolicies: managedPolicies(db, flavour),
    oidcProviders: oidcProviders(db, flavour),
    organizations: organizations(db, flavour),
    keys: keys(db, flavour),
    keyAliases: keyAliases(db, flavour),
    keyGrants: keyGrants(db, flavour),
    audit: audit(db, flavour),
    jobs: jobs(db, flavour),
    schedules: schedules(db, flavour),
    pullThroughRules: pullThroughRules(db, flavour),
    secrets: secrets(db, flavour),
    replication: replication(db, flavour),
    backfills: backfills(db, flavour),
  };
}
