import type { Facts, Need, Principal } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { Identity } from "../../domain/identity/ports.ts";
import type { AccountId, Registry } from "../../domain/names.ts";
import { onIdentity } from "./needs.ts";
import type { IamParts } from "./operation.ts";

/** Which user or group an operation is about. */

type Action = `iam:${string}`;
type From = { readonly principal: Principal; readonly parts: Pick<IamParts, "users" | "groups"> };

/** The user that is named, else the one who calls. @throws Validation for who calls as no user */
export async function subjectOf(
  name: string | undefined,
  account: AccountId,
  principal: Principal,
  { users }: Pick<IamParts, "users">,
): Promise<{ readonly name: string; readonly user: Identity | undefined }> {
  if (name !== undefined) return { name, user: await users.find(account, name) };
  const user = principal.kind === "user" ? await users.ofUniqueId(principal.identityId ?? "") : undefined;
  if (user) return { name: user.name, user };
  throw refuse("Validation", { reason: "Must specify userName when calling with non-User credentials" });
}

/** An action on the user that is named, else on who calls. */
export function onSubject(action: Action) {
  return async (input: { UserName?: string }, { account }: Registry, { principal, parts }: From): Promise<Need[]> => {
    const { name, user } = await subjectOf(input.UserName, account, principal, parts);
    return [onIdentity(action, account, "user", name, user)];
  };
}

/** An action on the user that is named; `facts` are condition keys of the request. */
export function onUser<Input extends { UserName: string }>(
  action: Action,
  facts: (input: Input) => Facts = () => ({}),
) {
  return async (input: Input, { account }: Registry, { parts: { users } }: From): Promise<Need[]> => {
    const user = await users.find(account, input.UserName);
    return [onIdentity(action, account, "user", input.UserName, user, facts(input))];
  };
}

/** An action on the group that is named. */
export function onGroup(action: Action) {
  return async ({ GroupName }: { GroupName: string }, { account }: Registry, from: From): Promise<Need[]> => [
    onIdentity(action, account, "group", GroupName, await from.parts.groups.find(account, GroupName)),
  ];
}

/** A list of users or the like: the resource is the path that it is asked for. */
export function onPath(action: Action, kind: "user" | "group" | "role" | "policy") {
  return ({ PathPrefix = "/" }: { PathPrefix?: string }, { account }: Registry): Need[] => [
    { action, resource: `arn:aws:iam::${account}:${kind}${PathPrefix}` as Need["resource"] },
  ];
}
