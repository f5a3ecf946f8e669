/**
 * The types of Berth's own API, in the form that the SDK's client modules have, so that its operations are held to them
 * as the others are to theirs.
 */
export interface BerthApi {
  readonly ExplainDecisionCommand: Command<ExplainDecisionInput, ExplainDecisionOutput>;
  readonly GetRepositoryUsageCommand: Command<GetRepositoryUsageInput, GetRepositoryUsageOutput>;
  readonly GetUsageHistoryCommand: Command<GetUsageHistoryInput, GetUsageHistoryOutput>;
  readonly ListUsageCommand: Command<ListUsageInput, ListUsageOutput>;
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
