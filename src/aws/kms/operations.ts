import { operationMap } from "../service.ts";
import { CancelKeyDeletion } from "./CancelKeyDeletion.ts";
import { CreateAlias } from "./CreateAlias.ts";
import { CreateGrant } from "./CreateGrant.ts";
import { CreateKey } from "./CreateKey.ts";
import { Decrypt } from "./Decrypt.ts";
import { DeleteAlias } from "./DeleteAlias.ts";
import { DescribeKey } from "./DescribeKey.ts";
import { DisableKey } from "./DisableKey.ts";
import { DisableKeyRotation } from "./DisableKeyRotation.ts";
import { EnableKey } from "./EnableKey.ts";
import { EnableKeyRotation } from "./EnableKeyRotation.ts";
import { Encrypt } from "./Encrypt.ts";
import { GenerateDataKey } from "./GenerateDataKey.ts";
import { GenerateDataKeyWithoutPlaintext } from "./GenerateDataKeyWithoutPlaintext.ts";
import { GenerateRandom } from "./GenerateRandom.ts";
import { GetKeyPolicy } from "./GetKeyPolicy.ts";
import { GetKeyRotationStatus } from "./GetKeyRotationStatus.ts";
import { ListAliases } from "./ListAliases.ts";
import { ListGrants } from "./ListGrants.ts";
import { ListKeyPolicies } from "./ListKeyPolicies.ts";
import { ListKeyRotations } from "./ListKeyRotations.ts";
import { ListKeys } from "./ListKeys.ts";
import { ListResourceTags } from "./ListResourceTags.ts";
import { ListRetirableGrants } from "./ListRetirableGrants.ts";
import type { KmsParts } from "./operation.ts";
import { PutKeyPolicy } from "./PutKeyPolicy.ts";
import { ReEncrypt } from "./ReEncrypt.ts";
import { RetireGrant } from "./RetireGrant.ts";
import { RevokeGrant } from "./RevokeGrant.ts";
import { RotateKeyOnDemand } from "./RotateKeyOnDemand.ts";
import { ScheduleKeyDeletion } from "./ScheduleKeyDeletion.ts";
import { TagResource } from "./TagResource.ts";
import { UntagResource } from "./UntagResource.ts";
import { UpdateAlias } from "./UpdateAlias.ts";
import { UpdateKeyDescription } from "./UpdateKeyDescription.ts";

export const operations = operationMap<KmsParts>([
  CancelKeyDeletion,
  CreateAlias,
  CreateGrant,
  CreateKey,
  Decrypt,
  DeleteAlias,
  DescribeKey,
  DisableKey,
  DisableKeyRotation,
  EnableKey,
  EnableKeyRotation,
  Encrypt,
  GenerateDataKey,
  GenerateDataKeyWithoutPlaintext,
  GenerateRandom,
  GetKeyPolicy,
  GetKeyRotationStatus,
  ListAliases,
  ListGrants,
  ListKeyPolicies,
  ListKeyRotations,
  ListKeys,
  ListResourceTags,
  ListRetirableGrants,
  PutKeyPolicy,
  ReEncrypt,
  RetireGrant,
  RevokeGrant,
  RotateKeyOnDemand,
  ScheduleKeyDeletion,
  TagResource,
  UntagResource,
  UpdateAlias,
  UpdateKeyDescription,
]);
