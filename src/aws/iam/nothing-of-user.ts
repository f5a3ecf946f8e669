import type { Granted } from "../../domain/access.ts";
import type { IamParts } from "./operation.ts";
import { subjectOf } from "./subject.ts";

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
