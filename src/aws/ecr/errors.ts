import type { PullThroughRefusalCode, Refusal, RegistryRefusalCode } from "../../domain/errors.ts";
import type { Spelling, WireError } from "../errors.ts";

/** What ECR calls each meaning (ECR API reference, "Errors" of each operation). */
export const errors = {
  RepositoryNotFound: ["RepositoryNotFoundException", 400],
  RepositoryAlreadyExists: ["RepositoryAlreadyExistsException", 400],
  RepositoryNotEmpty: ["RepositoryNotEmptyException", 400],
  // Our own meanings, under the names that clients of ECR expect of the operations that can end so.
  RepositoryHeld: ["InvalidParameterException", 400],
  RepositoryProtected: ["InvalidParameterException", 400],
  RepositoryPolicyNotFound: ["RepositoryPolicyNotFoundException", 400],
  RegistryPolicyNotFound: ["RegistryPolicyNotFoundException", 400],
  LifecyclePolicyNotFound: ["LifecyclePolicyNotFoundException", 400],
  LifecyclePreviewNotFound: ["LifecyclePolicyPreviewNotFoundException", 400],
  LifecyclePreviewInProgress: ["LifecyclePolicyPreviewInProgressException", 400],
  InvalidTag: ["InvalidTagParameterException", 400],
  TooManyTags: ["TooManyTagsException", 400],
  InvalidParameter: ["InvalidParameterException", 400],
  Validation: ["ValidationException", 400],
  LimitExceeded: ["LimitExceededException", 400],
  RateExceeded: ["ThrottlingException", 400],

  ImageNotFound: ["ImageNotFoundException", 400],
  ImageAlreadyExists: ["ImageAlreadyExistsException", 400],
  ImageTagImmutable: ["ImageTagAlreadyExistsException", 400],
  TagHeld: ["ImageTagAlreadyExistsException", 400],
  ImageHeld: ["InvalidParameterException", 400],
  HoldNotFound: ["InvalidParameterException", 400],
  NotDeleted: ["InvalidParameterException", 400],
  RetentionNotFound: ["InvalidParameterException", 400],
  ImageDigestMismatch: ["ImageDigestDoesNotMatchException", 400],
  StorageClassNotSupported: ["ImageStorageClassUpdateNotSupportedException", 400],
  ScanNotFound: ["ScanNotFoundException", 400],
  ImageTypeNotScannable: ["UnsupportedImageTypeException", 400],
  ImageArchived: ["ImageArchivedException", 400],
  SigningConfigurationNotFound: ["SigningConfigurationNotFoundException", 400],
  ReplicationBackfillNotFound: ["ReplicationBackfillNotFoundException", 400],
  ReplicationBackfillInProgress: ["ReplicationBackfillInProgressException", 400],
  ReplicationBackfillInvalidStatus: ["ReplicationBackfillInvalidStatusException", 400],
  ExclusionAlreadyExists: ["ExclusionAlreadyExistsException", 400],
  ExclusionNotFound: ["ExclusionNotFoundException", 400],
  TemplateAlreadyExists: ["TemplateAlreadyExistsException", 400],
  TemplateNotFound: ["TemplateNotFoundException", 400],
  ImageReferenced: ["InvalidParameterException", 400],
  ManifestInvalid: ["InvalidParameterException", 400],
  ManifestTooLarge: ["InvalidParameterException", 400],
  ReferencedImagesNotFound: ["ReferencedImagesNotFoundException", 400],

  PullThroughRuleExists: ["PullThroughCacheRuleAlreadyExistsException", 400],
  PullThroughRuleNotFound: ["PullThroughCacheRuleNotFoundException", 400],
  UpstreamUnsupported: ["UnsupportedUpstreamRegistryException", 400],
  UpstreamSecretNotFound: ["SecretNotFoundException", 400],
  SecretInaccessible: ["UnableToAccessSecretException", 400],
  SecretUndecryptable: ["UnableToDecryptSecretValueException", 400],

  LayersNotFound: ["LayersNotFoundException", 400],
  LayerNotFound: ["LayersNotFoundException", 400],
  LayerInaccessible: ["LayerInaccessibleException", 400],
  LayerDamaged: ["LayerInaccessibleException", 400],
  KeyUnusable: ["KmsException", 400],
  UpstreamAccessDenied: ["UnableToGetUpstreamImageException", 400],
  UpstreamTooManyRequests: ["UnableToGetUpstreamImageException", 400],
  UpstreamUnavailable: ["UnableToGetUpstreamImageException", 400],
  UnableToGetUpstreamImage: ["UnableToGetUpstreamImageException", 400],
  UnableToGetUpstreamLayer: ["UnableToGetUpstreamLayerException", 400],
  UnableToListUpstreamImageReferrers: ["UnableToListUpstreamImageReferrersException", 400],
  LayerReferenced: ["InvalidParameterException", 400],
  LayerKept: ["InvalidParameterException", 400],
  LayerAlreadyExists: ["LayerAlreadyExistsException", 400],
  LayerDigestMismatch: ["InvalidLayerException", 400],
  LayerPartTooSmall: ["LayerPartTooSmallException", 400],
  LayerTooLarge: ["LimitExceededException", 400],
  UploadNotFound: ["UploadNotFoundException", 400],
  // Not modelled for InitiateLayerUpload, but what ECR calls every quota; after a throttling error SDKs would try in vain.
  TooManyUploads: ["LimitExceededException", 400],
  UploadEmpty: ["EmptyUploadException", 400],
  // Every SDK waits and tries again after this one.
  UploadBusy: ["ThrottlingException", 400],
  UploadOutOfOrder: ["InvalidLayerPartException", 400],
  UploadSizeMismatch: ["InvalidLayerPartException", 400],
  UploadInterrupted: ["ServerException", 500],
  StorageFull: ["ServerException", 500],

  AccessDenied: ["AccessDeniedException", 400],
} satisfies Record<RegistryRefusalCode | PullThroughRefusalCode, Spelling>;

export type EcrCode = keyof typeof errors;

/** InvalidLayerPartException says where the next part has to begin, KmsException what KMS said. */
export function membersOf(refusal: Refusal): WireError["members"] {
  if (refusal.is("KeyUnusable")) return { kmsError: refusal.facts.kmsError };
  if (!refusal.is("UploadOutOfOrder") && !refusal.is("UploadSizeMismatch")) return undefined;
  const { account, repository, upload, expected } = refusal.facts;
  return { registryId: account, repositoryName: repository, uploadId: upload, lastValidByteReceived: expected - 1 };
}
