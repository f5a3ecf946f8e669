/**
 * The types of Berth's own API, in the form that the SDK's client modules have, so that its operations are held to them
 * as the others are to theirs.
 */
export interface BerthApi {
  readonly ExplainDecisionCommand: Command<ExplainDecisionInput, ExplainDecisionOutput>;
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
