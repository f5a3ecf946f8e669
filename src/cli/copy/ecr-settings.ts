import { CallFailed } from "../api/client.ts";
import type { BerthDestination } from "./berth-destination.ts";
import type { EcrApi } from "./ecr-api.ts";

/** A repository as DescribeRepositories has it, as far as it can be taken over. */
export interface EcrRepository {
  readonly repositoryArn: string;
  readonly repositoryName: string;
  readonly imageTagMutability?: string;
  readonly imageTagMutabilityExclusionFilters?: readonly object[];
  readonly imageScanningConfiguration?: { readonly scanOnPush?: boolean };
  readonly encryptionConfiguration?: { readonly encryptionType?: string; readonly kmsKey?: string };
}

export interface Encryption {
  /** AES256, KMS or KMS_DSSE; whatever Berth's default is without. */
  readonly type?: string;
  readonly key?: string;
}

export interface SettingsParts {
  readonly source: EcrApi;
  readonly berth: BerthDestination;
  readonly encryption: Encryption;
  /** Told of what could not be taken over. */
  readonly missed: (repository: string, what: string) => void;
}

/** What CreateRepository is told, with the tags of the repository. */
export async function creationOf(
  repository: EcrRepository,
  { source, encryption, missed }: SettingsParts,
): Promise<object> {
  const { repositoryArn, repositoryName, encryptionConfiguration } = repository;
  const tags = await answerOf(() =>
    source.ask<{ tags?: object[] }>("ListTagsForResource", { resourceArn: repositoryArn }),
  );
  if ("why" in tags) missed(repositoryName, `its tags: ${tags.why}`);
  const isKms = encryptionConfiguration?.encryptionType?.startsWith("KMS") ?? false;
  if (isKms && encryption.type === undefined) {
    missed(repositoryName, "its encryption key, which only its registry has; --encryption and --kms-key choose one");
  }
  const { type, key } = encryption;
  return {
    imageTagMutability: repository.imageTagMutability,
    imageTagMutabilityExclusionFilters: repository.imageTagMutabilityExclusionFilters,
    imageScanningConfiguration: repository.imageScanningConfiguration,
    ...(type === undefined ? {} : { encryptionConfiguration: { encryptionType: type, kmsKey: key } }),
    ...("answer" in tags && tags.answer.tags?.length ? { tags: tags.answer.tags } : {}),
  };
}

/** The two policies. They come after the images, which a lifecycle policy could expire while they arrive. */
export async function copyPolicies(
  name: string,
  target: string,
  { source, berth, missed }: SettingsParts,
): Promise<string[]> {
  const done: string[] = [];
  for (const policy of policies) {
    const found = await answerOf(() => source.ask<Record<string, string>>(policy.get, { repositoryName: name }));
    if ("why" in found) {
      if (found.code !== policy.none) missed(name, `its ${policy.what}: ${found.why}`);
      continue;
    }
    const text = found.answer[policy.member];
    const put = await answerOf(() => berth.api.ask(policy.put, { repositoryName: target, [policy.member]: text }));
    if ("why" in put) missed(name, `its ${policy.what}: ${put.why}`);
    else done.push(policy.what);
  }
  return done;
}

const policies = [
  {
    what: "policy",
    get: "GetRepositoryPolicy",
    put: "SetRepositoryPolicy",
    member: "policyText",
    none: "RepositoryPolicyNotFoundException",
  },
  {
    what: "lifecycle policy",
    get: "GetLifecyclePolicy",
    put: "PutLifecyclePolicy",
    member: "lifecyclePolicyText",
    none: "LifecyclePolicyNotFoundException",
  },
];

type Answered<Output> = { readonly answer: Output } | { readonly why: string; readonly code?: string };

/** What a registry refuses of one repository is told, and ends nothing. */
async function answerOf<Output>(ask: () => Promise<Output>): Promise<Answered<Output>> {
  try {
    return { answer: await ask() };
  } catch (error) {
    if (error instanceof CallFailed && error.code !== undefined) return { why: error.message, code: error.code };
    throw error;
  }
}
