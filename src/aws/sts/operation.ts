import type * as Sdk from "@aws-sdk/client-sts";
import type { Credentials } from "../../domain/identity/credentials.ts";
import type { Sessions } from "../../domain/identity/sessions.ts";
import type { WebIdentities } from "../../domain/identity/web-identity.ts";
import { operationsOf } from "../operation.ts";
import type { StsCode } from "./errors.ts";

export interface StsParts {
  readonly credentials: Pick<Credentials, "accountOf">;
  readonly sessions: Sessions;
  readonly webIdentities: WebIdentities;
}

export const operation = operationsOf<typeof Sdk, StsCode, StsParts>();
