import type { Granted, Need, Principal } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { AccountId, Registry } from "../../domain/names.ts";
import { needsOn } from "./needs.ts";
import type { IamParts } from "./operation.ts";

/** The name of the user that is meant: the one in the input, else who calls. @throws Validation for who calls as no user */
export async function subjectOf(
  name: string | undefined,
  { kind, identityId = "" }: Principal,
  { users }: Pick<IamParts, "users">,
): Promise<string> {
  if (name !== undefined) return name;
  const user = kind === "user" ? await users.ofUniqueId(identityId) : undefined;
  if (user) return user.name;
  throw refuse("Validation", { reason: "Must specify userName when calling with non-User credentials" });
}

interface From {
  readonly principal: Principal;
  readonly parts: Pick<IamParts, "users" | "resources">;
}

/** An action on the user that is named, else on who calls. */
export function onSubject(action: `iam:${string}`) {
  return async (input: { UserName?: string }, { account }: Registry, { principal, parts }: From): Promise<Need[]> =>
    needsOn(action, await userResource(account, await subjectOf(input.UserName, principal, parts), parts));
}

function userResource(account: AccountId, name: string, { resources }: From["parts"]) {
  return resources.entity(account, "user", name);
}

/**
 * Users have access keys here and nothing else that proves who they are. Terraform and the console ask for the rest
 * before they delete a user, so the answer for a user that is there is an empty list.
 * @throws NoSuchEntity, Validation
 */
export async function nothingOf(
  { UserName }: { UserName?: string },
  granted: Granted,
  { users }: Pick<IamParts, "users">,
): Promise<{ name: string; IsTruncated: false }> {
  const name = await subjectOf(UserName, granted.caller.principal, { users });
  await users.get(granted, name);
  return { name, IsTruncated: false };
}
