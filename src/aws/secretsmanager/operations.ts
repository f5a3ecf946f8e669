import { operationMap } from "../service.ts";
import { CreateSecret } from "./CreateSecret.ts";
import { DeleteSecret } from "./DeleteSecret.ts";
import { DescribeSecret } from "./DescribeSecret.ts";
import { GetResourcePolicy } from "./GetResourcePolicy.ts";
import { GetSecretValue } from "./GetSecretValue.ts";
import { ListSecrets } from "./ListSecrets.ts";
import { ListSecretVersionIds } from "./ListSecretVersionIds.ts";
import type { SecretsManagerParts } from "./operation.ts";
import { PutSecretValue } from "./PutSecretValue.ts";
import { RestoreSecret } from "./RestoreSecret.ts";
import { TagResource } from "./TagResource.ts";
import { UntagResource } from "./UntagResource.ts";
import { UpdateSecret } from "./UpdateSecret.ts";
import { UpdateSecretVersionStage } from "./UpdateSecretVersionStage.ts";

export const operations = operationMap<SecretsManagerParts>([
  CreateSecret,
  DeleteSecret,
  DescribeSecret,
  GetResourcePolicy,
  GetSecretValue,
  ListSecretVersionIds,
  ListSecrets,
  PutSecretValue,
  RestoreSecret,
  TagResource,
  UntagResource,
  UpdateSecret,
  UpdateSecretVersionStage,
]);
