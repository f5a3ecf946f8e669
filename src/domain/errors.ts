import type { DecidingStatement } from "../policy/question.ts";
import type { AccountId, Arn, Digest, Registry, RepositoryName, Tag, UploadId } from "./names.ts";

/**
 * Everything that Berth refuses, by meaning. Each meaning has the facts it needs and one sentence, worded as ECR words
 * it (ECR API reference, "Errors" of each operation), because both surfaces show the same text: the API under an AWS
 * error name, the data plane under an OCI code. The tables from meaning to name and status belong to the surfaces.
 */
interface In {
  repository: RepositoryName;
  registry: Registry;
}

/** Another registry, and in a few words what went wrong with it. Never a secret. */
interface Upstream {
  upstream: string;
  reason: string;
}

/** What keeps an image. */
interface Held {
  target: string;
  reason: string;
  until?: Date;
}

/** What the registry refuses, and what everybody may. */
const registrySentences = {
  RepositoryNotFound: ({ repository, registry }: In) =>
    `The repository with name '${repository}' does not exist in the registry with id '${registry.account}'`,
  RepositoryAlreadyExists: ({ repository, registry }: In) =>
    `The repository with name '${repository}' already exists in the registry with id '${registry.account}'`,
  RepositoryNotEmpty: ({ repository, registry }: In) =>
    `The repository with name '${repository}' in registry with id '${registry.account}' cannot be deleted because it still contains images`,
  RepositoryHeld: ({ repository, registry, ...hold }: In & Held) =>
    `The repository with name '${repository}' in the registry with id '${registry.account}' cannot be deleted because ${held(hold)}`,
  RepositoryProtected: ({ repository, registry }: In) =>
    `The repository with name '${repository}' in the registry with id '${registry.account}' cannot be deleted because it is protected against deletion`,
  RepositoryPolicyNotFound: ({ repository, registry }: In) =>
    `Repository policy does not exist for the repository with name '${repository}' in the registry with id '${registry.account}'`,
  RegistryPolicyNotFound: ({ registry }: Pick<In, "registry">) =>
    `Registry policy does not exist in the registry with id '${registry.account}'`,
  LifecyclePolicyNotFound: ({ repository, registry }: In) =>
    `Lifecycle policy does not exist for the repository with name '${repository}' in the registry with id '${registry.account}'`,
  LifecyclePreviewNotFound: ({ repository, registry }: In) =>
    `There is no lifecycle policy preview for the repository with name '${repository}' in the registry with id '${registry.account}'`,
  LifecyclePreviewInProgress: ({ repository, registry }: In) =>
    `The previous lifecycle policy preview for the repository with name '${repository}' in the registry with id '${registry.account}' has not completed`,
  InvalidTag: ({ reason }: { reason: string }) => reason,
  TooManyTags: ({ limit }: { limit: number }) =>
    `The list of tags on the repository is over the limit. The maximum number of tags that can be applied to a repository is ${limit}.`,
  InvalidParameter: ({ member, constraint }: { member: string; constraint: string }) =>
    `Invalid parameter at '${member}' failed to satisfy constraint: '${constraint}'`,
  Validation: ({ reason }: { reason: string }) => reason,
  LimitExceeded: ({ reason }: { reason: string }) => reason,
  RateExceeded: (_: { retryAfterMs: number }) => "Rate exceeded",

  ImageNotFound: ({ repository, registry, digest, tag }: In & { digest?: string; tag?: string }) =>
    `The image with imageId {imageDigest:'${digest ?? null}', imageTag:'${tag ?? null}'} does not exist within the repository with name '${repository}' in the registry with id '${registry.account}'`,
  ImageAlreadyExists: ({ repository, registry, digest, tag }: In & { digest: Digest; tag?: Tag }) =>
    `Image with digest '${digest}' and tag '${tag ?? null}' already exists in the repository with name '${repository}' in registry with id '${registry.account}'`,
  ImageTagImmutable: ({ repository, tag }: { repository: RepositoryName; tag: Tag }) =>
    `The image tag '${tag}' already exists in the '${repository}' repository and cannot be overwritten because the tag is immutable.`,
  TagHeld: ({ repository, ...hold }: { repository: RepositoryName } & Held) =>
    `The image tag '${hold.target}' in the '${repository}' repository cannot be moved or deleted because ${held(hold)}`,
  ImageHeld: (hold: Held) => `Requested image cannot be deleted or archived because ${held(hold)}`,
  HoldNotFound: ({ repository, registry, target }: In & { target: string }) =>
    `There is no hold on '${target}' in the repository with name '${repository}' in the registry with id '${registry.account}'`,
  NotDeleted: ({ repository, registry, digest }: In & { digest?: Digest }) =>
    digest === undefined
      ? `There is no deleted repository with name '${repository}' in the registry with id '${registry.account}' that could be brought back`
      : `There is no deleted image '${digest}' in the repository with name '${repository}' in the registry with id '${registry.account}' that could be brought back`,
  RetentionNotFound: ({ repository, registry }: In) =>
    `There is no retention for the repository with name '${repository}' in the registry with id '${registry.account}'`,
  ImageDigestMismatch: ({ repository, registry, given }: In & { given: string }) =>
    `The image with digest '${given}' in repository '${repository}' and registry ID '${registry.account}' does not match the image digest that Amazon ECR has calculated.`,
  StorageClassNotSupported: ({ reason }: { reason: string }) =>
    `The requested image storage class update is not supported. ${reason}.`,
  ScanNotFound: ({ repository, registry, digest, tag }: In & { digest?: string; tag?: string }) =>
    `Image scan does not exist for the image with '{imageDigest:'${digest ?? null}', imageTag:'${tag ?? null}'}' in the repository with name '${repository}' in the registry with id '${registry.account}'`,
  ImageTypeNotScannable: () => "The image is of a type that cannot be scanned.",
  ImageArchived: () => "The specified image is archived and cannot be scanned.",
  SigningConfigurationNotFound: ({ registry }: Pick<In, "registry">) =>
    `Signing configuration does not exist in the registry with id '${registry.account}'`,
  ReplicationBackfillNotFound: ({ registry, id }: Pick<In, "registry"> & { id: string }) =>
    `The replication backfill with id '${id}' does not exist in the registry with id '${registry.account}'`,
  ReplicationBackfillInProgress: ({ registry, region }: Pick<In, "registry"> & { region: string }) =>
    `A replication backfill to the region '${region}' is already in progress in the registry with id '${registry.account}'`,
  ReplicationBackfillInvalidStatus: ({ id, status }: { id: string; status: string }) =>
    `The replication backfill with id '${id}' has the status ${status} and cannot be stopped`,
  ExclusionAlreadyExists: () => "The specified pull time update exclusion already exists for the registry.",
  ExclusionNotFound: () => "The specified pull time update exclusion was not found.",
  TemplateAlreadyExists: ({ prefix, registry }: { prefix: string; registry: Registry }) =>
    `The repository creation template with prefix '${prefix}' already exists in the registry with id '${registry.account}'. Specify a unique prefix and try again.`,
  TemplateNotFound: ({ prefix, registry }: { prefix: string; registry: Registry }) =>
    `The repository creation template with prefix '${prefix}' can't be found in the registry with id '${registry.account}'. Verify the registry ID and prefix and try again.`,
  ImageReferenced: ({ parents }: { parents: readonly Digest[] }) =>
    `Requested image referenced by manifest list: [${parents.join(", ")}]`,
  ManifestInvalid: ({ reason }: { reason: string }) => reason,
  ManifestTooLarge: ({ limitBytes }: { limitBytes: number }) =>
    `The image manifest is larger than the limit of ${limitBytes} bytes`,
  ReferencedImagesNotFound: ({ repository, registry, digests }: In & { digests: readonly Digest[] }) =>
    `Images with digests '[${digests.join(", ")}]' required for pushing image into repository with name '${repository}' in the registry with id '${registry.account}' do not exist`,

  LayersNotFound: ({ repository, registry, digests }: In & { digests: readonly Digest[] }) =>
    `Layers with digests '[${digests.join(", ")}]' required for pushing image into repository with name '${repository}' in the registry with id '${registry.account}' do not exist`,
  LayerNotFound: ({ repository, registry, digest }: In & { digest: string }) =>
    `The layer with digest '${digest}' does not exist within the repository with name '${repository}' in the registry with id '${registry.account}'`,
  LayerInaccessible: ({ repository, registry, digest }: In & { digest: Digest }) =>
    `The layer with digest '${digest}' in the repository with name '${repository}' in the registry with id '${registry.account}' is not available because it is not associated with an image. Unassociated image layers may be cleaned up at any time.`,
  LayerDamaged: ({ repository, registry, digest }: In & { digest: Digest }) =>
    `The layer with digest '${digest}' in the repository with name '${repository}' in the registry with id '${registry.account}' is damaged and in quarantine. Push it again to mend it.`,
  /** `kmsError` is what KMS calls the reason, as in `DisabledException`. */
  KeyUnusable: ({ reason }: { kmsError: string; reason: string }) => reason,
  /** What another registry answered, or did not, where a pull-through cache has nothing of its own to give. */
  UpstreamAccessDenied: ({ upstream, reason }: Upstream) =>
    `The upstream registry '${upstream}' refused access: ${reason}`,
  UpstreamTooManyRequests: ({ upstream, reason }: Upstream & { retryAfterMs: number }) =>
    `The upstream registry '${upstream}' takes no more requests for now: ${reason}`,
  UpstreamUnavailable: ({ upstream, reason }: Upstream) =>
    `The upstream registry '${upstream}' could not be read: ${reason}`,
  UnableToGetUpstreamImage: ({ upstream, reason }: Upstream) =>
    `The image could not be pulled from the upstream registry '${upstream}' by the pull through cache rule: ${reason}`,
  UnableToGetUpstreamLayer: ({ upstream, reason }: Upstream) =>
    `The layer could not be pulled from the upstream registry '${upstream}' by the pull through cache rule: ${reason}`,
  UnableToListUpstreamImageReferrers: ({ upstream, reason }: Upstream) =>
    `The referrers could not be listed at the upstream registry '${upstream}' by the pull through cache rule: ${reason}`,
  LayerReferenced: ({ digest }: { digest: Digest }) =>
    `The layer with digest '${digest}' is part of an image in this repository; delete the image first`,
  LayerKept: ({ digest }: { digest: Digest }) =>
    `The layer with digest '${digest}' is part of an image that was deleted and can still be brought back`,
  LayerAlreadyExists: ({ repository, registry, digest }: In & { digest: Digest }) =>
    `Layer with digest '${digest}' already exists in the repository with name '${repository}' in registry with id '${registry.account}'`,
  LayerDigestMismatch: () => "None of the provided layer digests match the calculated layer digest",
  LayerPartTooSmall: () => "All layer parts except the last part should be at least 5MB",
  LayerTooLarge: ({ limitBytes }: { limitBytes: number }) =>
    `The layer is larger than the limit of ${limitBytes} bytes`,
  UploadNotFound: ({ upload, repository }: { upload: UploadId | string; repository: RepositoryName }) =>
    `The upload '${upload}' could not be found, or the specified upload ID is not valid for the repository with name '${repository}'`,
  TooManyUploads: ({ limit }: { limit: number }) =>
    `The limit of ${limit} unfinished layer uploads is reached. Complete or cancel some, or wait until they expire.`,
  UploadEmpty: ({ upload }: { upload: UploadId }) => `The layer upload '${upload}' does not contain any layer parts`,
  UploadBusy: ({ upload }: { upload: UploadId }) =>
    `Another request is writing to the upload '${upload}'. Wait for it to finish and ask for the upload's status.`,
  UploadOutOfOrder: ({ given, expected }: UploadPosition) =>
    `First byte of the layer part is ${given} instead of ${expected}`,
  UploadSizeMismatch: ({
    declaredBytes,
    receivedBytes,
  }: { declaredBytes: number; receivedBytes: number } & UploadPosition) =>
    `The layer part has ${receivedBytes} bytes, but ${declaredBytes} were declared`,
  UploadInterrupted: ({ receivedBytes }: { receivedBytes: number }) =>
    `The request body ended early; ${receivedBytes} bytes of the upload are kept`,
  StorageFull: () => "There is no space left to store the content",

  AccessDenied: denialText,
} satisfies Record<string, (facts: never) => string>;

function held({ target, reason, until }: Held): string {
  return `'${target}' is held${until ? ` until ${until.toISOString()}` : ""}: ${reason}`;
}

/** What identity refuses, worded as IAM and STS word it. These meanings never reach the data plane. */
const identitySentences = {
  NoSuchEntity: ({ reason }: { reason: string }) => reason,
  EntityAlreadyExists: ({ reason }: { reason: string }) => reason,
  DeleteConflict: ({ reason }: { reason: string }) => reason,
  MalformedPolicy: ({ reason }: { reason: string }) => reason,
  InvalidInput: ({ reason }: { reason: string }) => reason,
  /** Of a role that belongs to a service. */
  ProtectedRole: ({ name }: { name: string }) =>
    `Cannot perform the operation on the protected role '${name}' - this role is only modifiable by AWS`,
  PolicyNotAttachable: ({ reason }: { reason: string }) => reason,
} satisfies Record<string, (facts: never) => string>;

/** What the audit trail refuses. These meanings never reach the data plane. */
const auditSentences = {
  InvalidLookupAttribute: ({ reason }: { reason: string }) => reason,
  InvalidMaxResults: ({ limit }: { limit: number }) => `The maximum number of results must be between 1 and ${limit}`,
  InvalidNextToken: () => "The token is not valid, or belongs to a lookup with other parameters",
  InvalidTimeRange: () => "The start time must not be after the end time, and both must be times that can be",
  InvalidEventCategory: ({ category }: { category: string }) => `There is no event category ${category}`,
} satisfies Record<string, (facts: never) => string>;

/** What STS refuses beside that. */
const sessionSentences = {
  PackedPolicyTooLarge: ({
    what,
    percent,
  }: {
    what: "Packed policy" | "Packed size of session tags";
    percent: number;
  }) =>
    what === "Packed policy"
      ? `Packed policy consumes ${percent}% of allotted space, please use smaller policy.`
      : `Packed size of session tags consumes ${percent}% of allotted space.`,
  InvalidAuthorizationMessage: () => "Message is not valid",
  WebIdentityExpired: ({ now, expiry }: { now: number; expiry: number }) =>
    `Token expired: current date/time ${now} must be before the expiration date/time ${expiry}`,
  WebIdentityInvalid: ({ reason }: { reason: string }) => reason,
  WebIdentityRejected: ({ reason }: { reason: string }) => reason,
  IssuerUnreachable: ({ reason }: { reason: string }) => reason,
} satisfies Record<string, (facts: never) => string>;

/** Why Organizations finds an input, or a limit, broken: its clients know the reason by name. */
interface Reasoned {
  reason: string;
  message: string;
}

/** What the organization refuses, worded as AWS Organizations words it. */
const organizationSentences = {
  OrganizationNotInUse: () => "Your account is not a member of an organization.",
  AlreadyInOrganization: () => "The AWS account is already a member of an organization.",
  OrganizationsDenied: () => "You don't have permissions to access this resource.",
  OrganizationNotEmpty: () =>
    "The organization isn't empty. To delete an organization, you must first remove all accounts except the management account, delete all OUs, and delete all policies.",
  OrganizationConstraint: ({ message }: Reasoned) => message,
  OrganizationInput: ({ message }: Reasoned) => message,
  OrganizationAccountNotFound: () => "You specified an account that doesn't exist.",
  CreateAccountStatusNotFound: () => "You specified a create account request that doesn't exist.",
  AccountAlreadyClosed: () => "You specified an account that is already closed.",
  MasterCannotLeave: () => "You can't remove the management account from the organization.",
  ParentNotFound: () => "You specified parent that doesn't exist.",
  ChildNotFound: () => "You specified a child that doesn't exist.",
  SourceParentNotFound: () => "You specified a source parent that doesn't exist.",
  DestinationParentNotFound: () => "You specified a destination parent that doesn't exist.",
  DuplicateAccount: () => "The account is already a child of the specified destination parent.",
  RootNotFound: () => "You specified a root that doesn't exist.",
  TargetNotFound: () => "You specified a target that doesn't exist.",
  UnitNotFound: () => "You specified an organizational unit that doesn't exist.",
  UnitNotEmpty: () =>
    "The specified OU is not empty. Move all accounts to another root or to other OUs, remove all child OUs, and try the operation again.",
  DuplicateUnit: () => "An OU with the same name already exists.",
  OrganizationPolicyNotFound: () => "You specified a policy that doesn't exist.",
  DuplicateOrganizationPolicy: () => "A policy with the specified name and type already exists.",
  PolicyInUse: () =>
    "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this operation.",
  DuplicatePolicyAttachment: () => "A policy with the specified name and type already exists.",
  PolicyNotAttached: () => "The policy isn't attached to the specified target.",
  PolicyTypeNotEnabled: () => "This operation can be performed only for enabled policy types.",
  PolicyTypeAlreadyEnabled: () => "The specified policy type is already enabled.",
  PolicyTypeNotAvailable: () => "The specified policy type isn't available for this organization.",
} satisfies Record<string, (facts: never) => string>;

/** What KMS refuses, worded as KMS words it. */
const keySentences = {
  KeyNotFound: ({ reason }: { reason: string }) => reason,
  KeyDisabled: ({ arn }: { arn: Arn }) => `${arn} is disabled.`,
  KeyInvalidState: ({ arn, state }: { arn: Arn; state: string }) => `${arn} is ${state}.`,
  KeyAliasExists: ({ arn }: { arn: Arn }) => `An alias with the name ${arn} already exists`,
  /** KMS says nothing more of a name that is AWS's, nor of a ciphertext that is not its own. */
  KeyAliasReserved: () => "",
  InvalidCiphertext: () => "",
  InvalidKeyAlias: ({ reason }: { reason: string }) => reason,
  IncorrectKey: () => "The key ID in the request does not identify a CMK that can perform this operation.",
  InvalidKeyArn: ({ reason }: { reason: string }) => reason,
  InvalidGrant: ({ id }: { id: string }) => `Invalid grant id: ${id}`,
  InvalidGrantToken: () => "The grant token is not valid",
  InvalidMarker: () => "The marker is not valid",
  InvalidKeyTag: ({ reason }: { reason: string }) => reason,
  UnsupportedKey: ({ reason }: { reason: string }) => reason,
  KeyDryRun: () => "The request would have succeeded, but the DryRun option is set.",
} satisfies Record<string, (facts: never) => string>;

/** What pull through cache rules are refused for, worded as ECR words it. These meanings never reach the data plane. */
const pullThroughSentences = {
  PullThroughRuleExists: ({ registry, prefix }: RuleName) =>
    `The pull through cache rule with the prefix '${prefix}' already exists in the registry with id '${registry.account}'`,
  PullThroughRuleNotFound: ({ registry, prefix }: RuleName) =>
    `The pull through cache rule with the prefix '${prefix}' does not exist in the registry with id '${registry.account}'`,
  UpstreamUnsupported: ({ url }: { url: string }) =>
    `The upstream registry URL ${url} is invalid. Specify a valid upstream registry URL and try again (an operator allows others with pullThrough.upstreams)`,
  UpstreamSecretNotFound: ({ arn }: { arn: string }) => `The secret ${arn} does not exist`,
  SecretInaccessible: ({ arn, reason }: { arn: string; reason: string }) =>
    `The secret ${arn} is unable to be accessed: ${reason}`,
  SecretUndecryptable: ({ arn }: { arn: string }) => `The secret ${arn} is accessible but is unable to be decrypted`,
} satisfies Record<string, (facts: never) => string>;

/** What Secrets Manager refuses, worded as it words it. These meanings never reach the data plane. */
const secretSentences = {
  SecretNotFound: () => "Secrets Manager can't find the specified secret.",
  SecretVersionNotFound: ({ version, stage }: { version?: string; stage?: string }) =>
    version === undefined
      ? `Secrets Manager can't find the specified secret value for staging label: ${stage}`
      : `Secrets Manager can't find the specified secret value for VersionId: ${version}`,
  SecretExists: ({ reason }: { reason: string }) => reason,
  InvalidSecretRequest: ({ reason }: { reason: string }) => reason,
  InvalidSecretParameter: ({ reason }: { reason: string }) => reason,
  InvalidSecretToken: () => "The NextToken value is invalid.",
  SecretUnreadable: () => "Secrets Manager can't decrypt the protected secret text using the provided key.",
} satisfies Record<string, (facts: never) => string>;

interface RuleName {
  registry: Registry;
  prefix: string;
}

export const sentences = {
  ...registrySentences,
  ...identitySentences,
  ...sessionSentences,
  ...organizationSentences,
  ...auditSentences,
  ...keySentences,
  ...pullThroughSentences,
  ...secretSentences,
};

export type RegistryRefusalCode = keyof typeof registrySentences;
export type AuditRefusalCode = keyof typeof auditSentences;
export type IdentityRefusalCode = keyof typeof identitySentences;
export type SessionRefusalCode = keyof typeof sessionSentences;
export type KeyRefusalCode = keyof typeof keySentences;
export type PullThroughRefusalCode = keyof typeof pullThroughSentences;
export type SecretRefusalCode = keyof typeof secretSentences;
export type OrganizationRefusalCode = keyof typeof organizationSentences;

export interface UploadPosition {
  given: number;
  expected: number;
  upload: UploadId;
  repository: RepositoryName;
  account: AccountId;
}

export interface Denial {
  principal: string;
  action: string;
  resource: string;
  because: string;
  /** The statement that denied it, for the audit trail; never shown to the caller. */
  statement?: DecidingStatement;
}

/** AWS tells nobody why a role cannot be assumed: whoever may not, learns not even whether it exists. */
function denialText({ principal, action, resource, because }: Denial): string {
  if (action === "sts:AssumeRoleWithWebIdentity") return `Not authorized to perform ${action}`;
  const denial = `User: ${principal} is not authorized to perform: ${action} on resource: ${resource}`;
  return onRole.has(action) && resource.startsWith("arn:aws:iam:") ? denial : `${denial} ${because}`;
}

const onRole = new Set(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);

export type RefusalCode = keyof typeof sentences;
export type Facts<Code extends RefusalCode> = Parameters<(typeof sentences)[Code]>[0];

/** A request that is understood and declined. `facts` are for surfaces that show more than the sentence. */
export class Refusal<Code extends RefusalCode = RefusalCode> extends Error {
  override readonly name = "Refusal";
  constructor(
    readonly code: Code,
    readonly facts: Facts<Code>,
    options?: ErrorOptions,
  ) {
    super((sentences[code] as (facts: Facts<Code>) => string)(facts), options);
  }

  is<Other extends RefusalCode>(code: Other): this is Refusal<Other> {
    return (this.code as RefusalCode) === code;
  }
}

/** `refuse("LayerDigestMismatch")`, `refuse("LimitExceeded", { reason })`, and options with a cause behind the facts. */
export function refuse<Code extends RefusalCode>(
  code: Code,
  ...[facts, options]: undefined extends Facts<Code>
    ? [facts?: undefined, options?: ErrorOptions]
    : [facts: Facts<Code>, options?: ErrorOptions]
): Refusal<Code> {
  return new Refusal(code, facts as Facts<Code>, options);
}
