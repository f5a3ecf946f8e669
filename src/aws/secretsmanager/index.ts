import { refuse } from "../../domain/errors.ts";
import type { JsonService } from "../service.ts";
import { validationText } from "../validation.ts";
import { errors } from "./errors.ts";
import type { SecretsManagerParts } from "./operation.ts";

/** AWS Secrets Manager, API version 2017-10-17: secrets and their values, and what stock clients ask about them. */
export function createSecretsManager(parts: SecretsManagerParts): JsonService {
  return {
    name: "secretsmanager",
    targetPrefix: "secretsmanager",
    messageMember: "Message",
    operations: async () => (await import("./operations.ts")).operations,
    parts,
    errors,
    internal: ["InternalServiceError", 500],
    invalidInput: (problems) => refuse("InvalidSecretParameter", { reason: validationText(problems) }),
  };
}
