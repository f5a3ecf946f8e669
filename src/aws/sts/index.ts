import { refuse } from "../../domain/errors.ts";
import { operationMap, type QueryService } from "../service.ts";
import { validationText } from "../validation.ts";
import { AssumeRole } from "./AssumeRole.ts";
import { AssumeRoleWithCertificate } from "./AssumeRoleWithCertificate.ts";
import { AssumeRoleWithWebIdentity } from "./AssumeRoleWithWebIdentity.ts";
import { DecodeAuthorizationMessage } from "./DecodeAuthorizationMessage.ts";
import { errors } from "./errors.ts";
import { GetAccessKeyInfo } from "./GetAccessKeyInfo.ts";
import { GetCallerIdentity } from "./GetCallerIdentity.ts";
import { GetFederationToken } from "./GetFederationToken.ts";
import { GetSessionToken } from "./GetSessionToken.ts";
import type { StsParts } from "./operation.ts";

/** AWS Security Token Service, API version 2011-06-15, and one operation of our own. */
export function createSts(parts: StsParts): QueryService {
  return {
    name: "sts",
    isGlobal: true,
    version: "2011-06-15",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    operations: () => operations,
    parts,
    errors,
    internal: ["InternalFailure", 500],
    invalidInput: (problems) => refuse("Validation", { reason: validationText(problems) }),
  };
}

export const operations = operationMap<StsParts>([
  AssumeRole,
  AssumeRoleWithCertificate,
  AssumeRoleWithWebIdentity,
  DecodeAuthorizationMessage,
  GetAccessKeyInfo,
  GetCallerIdentity,
  GetFederationToken,
  GetSessionToken,
]);
