/**
 * The types of Berth's own API, in the form that the SDK's client modules have, so that its operations are held to them
 * as the others are to theirs.
 */
export interface BerthApi {
  readonly ExplainDecisionCommand: Command<ExplainDecisionInput, ExplainDecisionOutput>;
  readonly GetRepositoryUsageCommand: Command<GetRepositoryUsageInput, GetRepositoryUsageOutput>;
  readonly GetUsageHistoryCommand: Command<GetUsageHistoryInput, GetUsageHistoryOutput>;
  readonly ListUsageCommand: Command<ListUsageInput, ListUsageOutput>;
  readonly PutHoldCommand: Command<PutHoldInput, { hold: HoldView }>;
  readonly RemoveHoldCommand: Command<ImageOfRepository, Empty>;
  readonly ListHoldsCommand: Command<PageOfRepository, Page & { holds: HoldView[] }>;
  readonly PutRetentionCommand: Command<PutRetentionInput, RetentionView>;
  readonly GetRetentionCommand: Command<OfRepository, RetentionView>;
  readonly DeleteRetentionCommand: Command<OfRepository, RetentionView>;
  readonly PutPullThroughOptionsCommand: Command<PutPullThroughOptionsInput, PullThroughOptionsView>;
  readonly GetPullThroughOptionsCommand: Command<OfRule, PullThroughOptionsView>;
  readonly SetDeletionProtectionCommand: Command<
    OfRepository & { deletionProtection: boolean | undefined },
    { deletionProtection: boolean }
  >;
  readonly ListDeletedImagesCommand: Command<PageOfRepository, Page & { images: DeletedImageView[] }>;
  readonly ListDeletedRepositoriesCommand: Command<PageInput, Page & { repositories: DeletedRepositoryView[] }>;
  readonly UndeleteImageCommand: Command<UndeleteImageInput, { images: ReturnedImageView[] }>;
  readonly ExplainLifecycleCommand: Command<ExplainLifecycleInput, ExplainLifecycleOutput>;
  readonly DiffLifecyclePolicyCommand: Command<DiffLifecyclePolicyInput, DiffLifecyclePolicyOutput>;
  readonly PutReplicationOptionsCommand: Command<PutReplicationOptionsInput, ReplicationOptionsView>;
  readonly GetReplicationOptionsCommand: Command<Empty, ReplicationOptionsView>;
  readonly ReplicateImagesCommand: Command<ReplicateImagesInput, { replicationCount: number }>;
  readonly UndeleteRepositoryCommand: Command<OfRepository, { repositoryName: string }>;
}

type Command<Input, Output> = new (
  input: Input,
) => {
  readonly input: Input;
  resolveMiddleware(): () => Promise<{ output: Output }>;
};

/** Either `requestId`, or `action` with what belongs to it. */
export interface ExplainDecisionInput {
  /** The id that a refused request was answered with. */
  requestId?: string | undefined;
  /** Left out: whoever asks. */
  principalArn?: string | undefined;
  /** `ecr:PutImage` */
  action?: string | undefined;
  /** Left out: `*`. */
  resourceArn?: string | undefined;
  /** Values of condition keys, such as `aws:SourceIp`. */
  context?: Record<string, string[]> | undefined;
}

export interface ExplainDecisionOutput {
  allowed: boolean;
  /** As an access-denied message ends. */
  because: string;
  /** The statement that decided. Absent where none did, and where it is not the caller's to know. */
  statement?: StatementReference | undefined;
  /** Each kind of policy that had a say, in the order in which they are asked. */
  layers: LayerVerdict[];
  /** Condition keys that policies asked for and the request did not have. */
  missingKeys: string[];
  /** Whether policies may have had a say that the caller may not read. */
  withheld: boolean;
  principalArn: string;
  action: string;
  resourceArn: string;
  /** Of a denial. */
  requestId?: string | undefined;
  deniedAt?: Date | undefined;
  /** Whether the request that was denied would be allowed by now. */
  allowedNow?: boolean | undefined;
}

export interface StatementReference {
  /** `identity`, `boundary`, `session`, `service-control`, `resource-control`, `trust`, `repository` or `registry`. */
  policyKind: string;
  /** An ARN, or words. */
  policyName: string;
  sid?: string | undefined;
  /** The statement's position in the policy, from 0. */
  index: number;
}

export interface LayerVerdict {
  policyKind: string;
  /** `allowed`, `explicitDeny` or `implicitDeny`. */
  verdict: string;
  /** The statements that matched. */
  statements: StatementReference[];
}

export interface GetRepositoryUsageInput {
  registryId?: string | undefined;
  repositoryName: string | undefined;
}

export interface GetRepositoryUsageOutput {
  registryId: string;
  repositoryName: string;
  /** `EXACT`, `MEASURED` or `LOWER_BOUND`. */
  accuracy: string;
  measuredAt: Date;
  usage: RepositoryUsageFigures;
}

export interface ListUsageInput {
  registryId?: string | undefined;
  nextToken?: string | undefined;
  /** 1 to 1000; left out: 100. */
  maxResults?: number | undefined;
}

/** What was measured is absent before the first measurement. */
export interface ListUsageOutput {
  registryId: string;
  measuredAt?: Date | undefined;
  registry?: RegistryUsageFigures | undefined;
  /** The account in all regions. */
  account?: RegistryUsageFigures | undefined;
  /** Largest first. */
  repositories: (RepositoryUsageFigures & { repositoryName: string })[];
  nextToken?: string | undefined;
}

export interface GetUsageHistoryInput {
  registryId?: string | undefined;
  /** Left out: of the registry. */
  repositoryName?: string | undefined;
  nextToken?: string | undefined;
  /** 1 to 1000; left out: 100. */
  maxResults?: number | undefined;
}

export interface GetUsageHistoryOutput {
  registryId: string;
  repositoryName?: string | undefined;
  /** Newest first. */
  days: (RepositoryUsageFigures &
    Partial<RegistryUsageFigures> & {
      /** `2026-03-01`, in UTC. */
      day: string;
      measuredAt: Date;
    })[];
  nextToken?: string | undefined;
}

/** docs/usage.md says what each of them means. */
export interface RepositoryUsageFigures {
  imageCount: number;
  taggedImageCount: number;
  untaggedImageCount: number;
  archivedImageCount: number;
  layerCount: number;
  layerBytes: number;
  uniqueBytes: number;
  sharedBytes: number;
  archivedBytes: number;
  manifestBytes: number;
  archivedManifestBytes: number;
  waitingBytes: number;
}

export interface RegistryUsageFigures extends RepositoryUsageFigures {
  repositoryCount: number;
  logicalBytes: number;
}

type Empty = Record<never, never>;

export interface OfRepository {
  /** Left out: the caller's account. */
  registryId?: string | undefined;
  repositoryName: string | undefined;
}

export interface PageInput {
  maxResults?: number | undefined;
  nextToken?: string | undefined;
}

export interface PageOfRepository extends OfRepository, PageInput {}

export interface Page {
  nextToken?: string | undefined;
}

/** One of the two. */
export interface ImageId {
  imageDigest?: string | undefined;
  imageTag?: string | undefined;
}

export interface ImageOfRepository extends OfRepository {
  imageId: ImageId | undefined;
}

export interface PutHoldInput extends ImageOfRepository {
  reason: string | undefined;
  /** The first moment at which it is over. Left out: it holds until it is removed. */
  until?: Date | undefined;
}

export interface HoldView {
  imageId: ImageId;
  reason: string;
  placedAt: Date;
  /** The ARN of whoever placed it. */
  placedBy: string;
  until?: Date | undefined;
}

export interface PutRetentionInput extends OfRepository {
  /** A retention document; left out, the one that is there stays. */
  retentionText?: string | undefined;
  /** Whether evaluations of the lifecycle policy plan and touch nothing; left out, it stays as it is. */
  reportOnly?: boolean | undefined;
}

interface OfRule {
  registryId?: string | undefined;
  ecrRepositoryPrefix: string | undefined;
}

/** What a pull through cache rule says beyond ECR. Filters are wildcards with `*`. */
export interface PutPullThroughOptionsInput extends OfRule {
  /** For how long a tag counts after it was compared with the upstream; left out, 24 hours. */
  freshSeconds?: number | undefined;
  allowTags?: string[] | undefined;
  denyTags?: string[] | undefined;
  /** Of repositories' names at the upstream. */
  allowRepositories?: string[] | undefined;
  denyRepositories?: string[] | undefined;
}

export interface PullThroughOptionsView extends Omit<PutPullThroughOptionsInput, "registryId"> {
  ecrRepositoryPrefix: string;
}

export interface RetentionView {
  retentionText?: string | undefined;
  reportOnly: boolean;
  deletionProtection: boolean;
}

interface DeletionView {
  deletedAt: Date;
  /** An ARN, or the service that carried a policy out. */
  deletedBy: string;
  /** Until when it can be brought back. */
  keptUntil: Date;
}

export interface DeletedImageView extends DeletionView {
  imageDigest: string;
  /** Those that went with it. */
  imageTags: string[];
  imagePushedAt: Date;
  imageSizeInBytes: number;
}

export interface DeletedRepositoryView extends DeletionView {
  repositoryName: string;
}

export interface UndeleteImageInput extends OfRepository {
  imageDigest: string | undefined;
  /** Left out: its tags come back as far as no other image has them by now. */
  withTags?: boolean | undefined;
}

/** What came back: the image, what it lists, and its referrers. */
export interface ReturnedImageView {
  imageDigest: string;
  imageTags: string[];
  /** Tags that it had and that another image has by now. */
  takenTags: string[];
}

export interface DiffLifecyclePolicyInput extends PageOfRepository {
  /** Left out: the policy that is set. */
  lifecyclePolicyText?: string | undefined;
  /** Left out: the document that is set. */
  retentionText?: string | undefined;
}

export interface ExplainLifecycleInput extends DiffLifecyclePolicyInput {
  /** Left out: all images, oldest first. */
  imageIds?: ImageId[] | undefined;
}

export interface ExplainLifecycleOutput extends Page {
  /** The time that all pages are of. */
  evaluatedAt: Date;
  summary: LifecycleSummaryView;
  images: ExplainedView[];
}

export interface DiffLifecyclePolicyOutput extends Page {
  evaluatedAt: Date;
  before: LifecycleSummaryView;
  after: LifecycleSummaryView;
  /** Images of which the two say different things. */
  changes: ChangeView[];
}

export interface LifecycleSummaryView {
  /** With what goes along, such as signatures. */
  expiringImageCount: number;
  expiringSizeInBytes: number;
  transitioningImageCount: number;
  transitioningSizeInBytes: number;
  rules: { rulePriority: number; action: string; selectedImageCount: number; actingImageCount: number }[];
}

export interface DecidedView {
  /** `EXPIRE`, `TRANSITION` or `KEEP`. */
  action: string;
  appliedRulePriority?: number | undefined;
  reasonCode: string;
  /** A sentence. */
  reason: string;
}

interface LifecycleImageView {
  imageDigest: string;
  /** The first of them. */
  imageTags: string[];
  imageTagCount: number;
  imagePushedAt: Date;
  imageSizeInBytes: number;
  storageClass: string;
}

export interface ExplainedView extends LifecycleImageView, DecidedView {}

export interface ChangeView extends LifecycleImageView {
  before?: DecidedView | undefined;
  after?: DecidedView | undefined;
}

export interface ReplicationOptionsView {
  /** Whether images that somebody deletes are deleted at the destinations. */
  replicateDeletes: boolean;
  /** Whether tags that somebody removes are removed there. */
  replicateUntags: boolean;
  /** Wildcards: only images with such a tag are replicated, under such tags. Empty: all. */
  tagFilters: string[];
  /** What of a repository its replicas take over: `tagMutability`, `repositoryPolicy`, `lifecyclePolicy`, `resourceTags`. */
  settings: string[];
}

/** What is left out stays as it is. */
export interface PutReplicationOptionsInput {
  replicateDeletes?: boolean | undefined;
  replicateUntags?: boolean | undefined;
  tagFilters?: string[] | undefined;
  settings?: ("tagMutability" | "repositoryPolicy" | "lifecyclePolicy" | "resourceTags")[] | undefined;
}

export interface ReplicateImagesInput extends OfRepository {
  /** Left out: all images. */
  imageIds?: ImageId[] | undefined;
  /** Left out: all that replication rules name for the repository. */
  destination?: { region: string | undefined; registryId: string | undefined } | undefined;
}
