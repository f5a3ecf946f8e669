import type * as Sdk from "@aws-sdk/client-ecr";
import type { Access } from "../../domain/access.ts";
import type { RegistryTokens } from "../../domain/identity/registry-tokens.ts";
import type { PullThroughCache } from "../../domain/pull-through/cache.ts";
import type { RuleService } from "../../domain/pull-through/rule-service.ts";
import type { Addresses } from "../../domain/registry/addresses.ts";
import type { CreationTemplateService } from "../../domain/registry/creation-templates.ts";
import type { ImageService } from "../../domain/registry/images.ts";
import type { LayerService } from "../../domain/registry/layers.ts";
import type { LifecyclePolicyService } from "../../domain/registry/lifecycle-policies.ts";
import type { LifecyclePreviewService } from "../../domain/registry/lifecycle-previews.ts";
import type { PolicyService } from "../../domain/registry/policies.ts";
import type { PullTimeExclusionService } from "../../domain/registry/pull-time-exclusions.ts";
import type { RepositoryService } from "../../domain/registry/repositories.ts";
import type { RegistryResources } from "../../domain/registry/resource-policies.ts";
import type { ScanningService } from "../../domain/registry/scanning.ts";
import type { SettingsService } from "../../domain/registry/settings.ts";
import type { SigningService } from "../../domain/registry/signing.ts";
import type { StorageClassService } from "../../domain/registry/storage-class.ts";
import type { BackfillService } from "../../domain/replication/backfills.ts";
import type { ReplicationService } from "../../domain/replication/service.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { EcrCode } from "./errors.ts";

/** What ECR operations act through. Each `run` names what it takes. */
export interface EcrParts {
  readonly repositories: RepositoryService;
  readonly policies: PolicyService;
  readonly resources: Pick<RegistryResources, "incarnation">;
  /** For lists that show only what their reader may see. */
  readonly access: Access;
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
  readonly backfills: BackfillService;
  readonly settings: SettingsService;
  readonly scanning: ScanningService;
  readonly signing: SigningService;
  readonly registryTokens: RegistryTokens;
  readonly addresses: Addresses;
  readonly paging: Paging;
}

export const operation = operationsOf<typeof Sdk, EcrCode, EcrParts>();
