import type * as Sdk from "@aws-sdk/client-iam";
import type { AccessKeyService } from "../../domain/identity/access-keys.ts";
import type { AccountFacts } from "../../domain/identity/account-facts.ts";
import type { GroupService } from "../../domain/identity/groups.ts";
import type { UserService } from "../../domain/identity/users.ts";
import { operationsOf } from "../operation.ts";
import type { Paging } from "../paging.ts";
import type { IamCode } from "./errors.ts";

/** What IAM operations act through. Each `run` names what it takes. */
export interface IamParts {
  readonly users: UserService;
  readonly groups: GroupService;
  readonly accessKeys: AccessKeyService;
  readonly accountFacts: AccountFacts;
  readonly paging: Paging;
}

export const operation = operationsOf<typeof Sdk, IamCode, IamParts>();
