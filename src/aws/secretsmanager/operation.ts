import type * as Sdk from "@aws-sdk/client-secrets-manager";
import type { SecretService } from "../../domain/secrets/secrets.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { SecretsManagerCode } from "./errors.ts";

/** What the operations act through. Each `run` names what it takes. */
export interface SecretsManagerParts {
  readonly secrets: SecretService;
  readonly paging: Paging;
}

export const operation = operationsOf<typeof Sdk, SecretsManagerCode, SecretsManagerParts>();
