import type { Access } from "../domain/access.ts";
import type { AuditLookup } from "../domain/audit/lookup.ts";
import type { ExplanationService } from "../domain/explanations.ts";
import type { ClientCertificates } from "../domain/identity/client-certificates.ts";
import type { Credentials } from "../domain/identity/credentials.ts";
import type { OrganizationService } from "../domain/identity/organizations.ts";
import type { RegistryTokens } from "../domain/identity/registry-tokens.ts";
import type { Sealer } from "../domain/identity/sealer.ts";
import type { Sessions } from "../domain/identity/sessions.ts";
import type { WebIdentities } from "../domain/identity/web-identity.ts";
import type { Region, Registry } from "../domain/names.ts";
import type { PullThroughCache } from "../domain/pull-through/cache.ts";
import type { RuleService } from "../domain/pull-through/rule-service.ts";
import type { Rates } from "../domain/rates.ts";
import type { Addresses } from "../domain/registry/addresses.ts";
import type { CreationTemplateService } from "../domain/registry/creation-templates.ts";
import type { HoldService } from "../domain/registry/holds.ts";
import type { ImageService } from "../domain/registry/images.ts";
import type { LayerService } from "../domain/registry/layers.ts";
import type { LifecycleAnswerService } from "../domain/registry/lifecycle-answers.ts";
import type { LifecyclePolicyService } from "../domain/registry/lifecycle-policies.ts";
import type { LifecyclePreviewService } from "../domain/registry/lifecycle-previews.ts";
import type { PolicyService } from "../domain/registry/policies.ts";
import type { PullTimeExclusionService } from "../domain/registry/pull-time-exclusions.ts";
import type { RepositoryService } from "../domain/registry/repositories.ts";
import type { RegistryResources } from "../domain/registry/resource-policies.ts";
import type { RetentionService } from "../domain/registry/retention.ts";
import type { ScanningService } from "../domain/registry/scanning.ts";
import type { SettingsService } from "../domain/registry/settings.ts";
import type { SigningService } from "../domain/registry/signing.ts";
import type { StorageClassService } from "../domain/registry/storage-class.ts";
import type { UndeleteService } from "../domain/registry/undelete.ts";
import type { UsageService } from "../domain/registry/usage.ts";
import type { BackfillService } from "../domain/replication/backfills.ts";
import type { ReplicationExtras } from "../domain/replication/options.ts";
import type { ReplicationService } from "../domain/replication/service.ts";
import type { SecretService } from "../domain/secrets/secrets.ts";
import { operations as berthOperations, createBerth } from "./berth/index.ts";
import { createBodyMemory } from "./body.ts";
import { operations as cloudTrailOperations, createCloudTrail } from "./cloudtrail/index.ts";
import { createDispatch, createRefusal, type Log, type Surface } from "./dispatch.ts";
import { createEcr, operations as ecrOperations } from "./ecr/index.ts";
import { CallRefused } from "./errors.ts";
import { createIam } from "./iam/index.ts";
import type { IamParts } from "./iam/operation.ts";
import { createKms } from "./kms/index.ts";
import type { KmsParts } from "./kms/operation.ts";
import { createOrganizationsApi } from "./organizations/index.ts";
import { createPaging } from "./paging.ts";
import { createJson11 } from "./protocols/json11.ts";
import { createQuery } from "./protocols/query.ts";
import type { Recorder } from "./record.ts";
import { createSecretsManager } from "./secretsmanager/index.ts";
import { createVerifier } from "./sigv4.ts";
import { createSts, operations as stsOperations } from "./sts/index.ts";

export interface ControlPlaneParts {
  readonly repositories: RepositoryService;
  readonly policies: PolicyService;
  readonly resources: Pick<RegistryResources, "incarnation">;
  readonly layers: LayerService;
  readonly images: ImageService;
  readonly pullThrough: PullThroughCache;
  readonly storageClasses: StorageClassService;
  readonly creationTemplates: CreationTemplateService;
  readonly pullTimeExclusions: PullTimeExclusionService;
  readonly lifecyclePolicies: LifecyclePolicyService;
  readonly lifecyclePreviews: LifecyclePreviewService;
  readonly pullThroughRules: RuleService;
  readonly replication: ReplicationService;
  readonly replicationExtras: ReplicationExtras;
  readonly backfills: BackfillService;
  readonly settings: SettingsService;
  readonly scanning: ScanningService;
  readonly signing: SigningService;
  readonly holds: HoldService;
  readonly retention: RetentionService;
  readonly undelete: UndeleteService;
  readonly lifecycleAnswers: LifecycleAnswerService;
  readonly organizations: OrganizationService;
  readonly addresses: Addresses;
  readonly iam: Omit<IamParts, "paging">;
  readonly kms: Omit<KmsParts, "paging" | "sealer">;
  readonly secrets: SecretService;
  readonly access: Access;
  readonly explanations: ExplanationService;
  readonly usage: UsageService;
  readonly credentials: Credentials;
  readonly registryTokens: RegistryTokens;
  readonly sessions: Sessions;
  readonly webIdentities: WebIdentities;
  /** Left out: certificates of clients stand for nobody. */
  readonly certificates?: ClientCertificates;
  readonly sealer: Sealer;
  readonly lookup: AuditLookup;
  readonly audit: Recorder["audit"];
  /** Where calls are kept of which neither principal nor registry is known. */
  readonly home: Registry;
  readonly clock: () => Date;
  readonly log: Log;
  readonly defaultRegion: Region;
  /** The regions that are served; left out: every well-formed one. */
  readonly regions?: readonly Region[];
  readonly rates?: Rates;
  /** How much memory request bodies may take at once, over all calls. Left out: any. */
  readonly maxBodiesBytes?: number;
}

/** The AWS APIs: one surface for every service, told apart by what a request says of itself. */
export function createControlPlane(parts: ControlPlaneParts): Surface {
  const { credentials, clock, regions } = parts;
  const services = { ...parts, paging: createPaging(parts.sealer) };
  const json11 = createJson11([
    createEcr(services),
    createCloudTrail(services),
    createOrganizationsApi(services),
    createKms({ ...parts.kms, paging: services.paging, sealer: parts.sealer }),
    createSecretsManager(services),
    createBerth(services),
  ]);
  const query = createQuery([createSts(services), createIam({ ...parts.iam, paging: services.paging })]);
  return createDispatch({
    ...parts,
    protocolOf: (request) => (isQuery(request) ? query : json11),
    verifier: createVerifier({ credentials, clock, regions }),
    keyUsed: credentials.used,
    bodies: createBodyMemory(parts.maxBodiesBytes),
  });
}

/** What the AWS APIs say while there is no room for another request. It reads no body and asks nobody. */
export function createBusyControlPlane({ clock }: Pick<ControlPlaneParts, "clock">): Surface {
  const [json11, query] = [createJson11([]), createQuery([])];
  return createRefusal({
    protocolOf: (request) => (isQuery(request) ? query : json11),
    refusal: new CallRefused(
      "Busy",
      "The server is working on as many requests as it can. Wait a moment and try again.",
    ),
    clock,
  });
}

export interface NamedOperation {
  readonly service: string;
  readonly operation: string;
  /** Of its input. */
  readonly members: readonly string[];
}

/** Every operation of every service, as AWS names it. Loads those that are not. */
export async function allOperations(): Promise<readonly NamedOperation[]> {
  const [iam, kms, organizations, secretsmanager] = await Promise.all([
    import("./iam/operations.ts"),
    import("./kms/operations.ts"),
    import("./organizations/operations.ts"),
    import("./secretsmanager/operations.ts"),
  ]);
  const services = {
    ecr: ecrOperations,
    sts: stsOperations,
    iam: iam.operations,
    kms: kms.operations,
    organizations: organizations.operations,
    secretsmanager: secretsmanager.operations,
    cloudtrail: cloudTrailOperations,
    berth: berthOperations,
  };
  return Object.entries(services).flatMap(([service, operations]) =>
    [...operations.values()].map(({ name: operation, schema }) => ({
      service,
      operation,
      members: Object.keys(schema.shape),
    })),
  );
}

function isQuery({ method, headers }: Request): boolean {
  if (headers.has("x-amz-target")) return false;
  return method === "GET" || (headers.get("content-type") ?? "").startsWith("application/x-www-form-urlencoded");
}
