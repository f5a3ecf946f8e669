import type * as Sdk from "@aws-sdk/client-sts";
import type { ClientCertificates } from "../../domain/identity/client-certificates.ts";
import type { Credentials } from "../../domain/identity/credentials.ts";
import type { Sessions } from "../../domain/identity/sessions.ts";
import type { WebIdentities } from "../../domain/identity/web-identity.ts";
import { operationsOf } from "../operation.ts";
import type { StsCode } from "./errors.ts";

export interface StsParts {
  readonly credentials: Pick<Credentials, "accountOf">;
  readonly sessions: Sessions;
  readonly webIdentities: WebIdentities;
  /** Left out: certificates stand for nobody. */
  readonly certificates?: ClientCertificates;
}

export const operation = operationsOf<typeof Sdk, StsCode, StsParts>();

/** What no published client has, in the form that published clients have. */
export interface OwnApi {
  readonly answer: Omit<Sdk.AssumeRoleCommandOutput, "$metadata">;
  AssumeRoleWithCertificateCommand: abstract new (
    ...args: never[]
  ) => {
    input: { RoleArn: string | undefined; DurationSeconds?: number };
    resolveMiddleware(...args: never[]): (...args: never[]) => Promise<{ output: Sdk.AssumeRoleCommandOutput }>;
  };
}

export const ownOperation = operationsOf<OwnApi, StsCode, StsParts>();
