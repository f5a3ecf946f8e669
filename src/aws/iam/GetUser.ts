import { rootArn } from "../../domain/names.ts";
import { operation } from "./operation.ts";
import { ExistingUserName } from "./shapes.ts";
import { onSubject, subjectOf } from "./subject.ts";
import { userView } from "./views.ts";

export const GetUser = operation("GetUser", {
  input: { UserName: ExistingUserName.optional() },
  needs(input, registry, from) {
    if (input.UserName === undefined && from.principal.kind === "root") {
      return [{ action: "iam:GetUser", resource: rootArn(registry.account) }];
    }
    return onSubject("iam:GetUser")(input, registry, from);
  },
  throws: ["NoSuchEntity", "Validation"],
  async run({ UserName }, granted, { users, accountFacts }) {
    const { principal } = granted.caller;
    const { account } = granted.registry;
    if (UserName === undefined && principal.kind === "root") {
      // It has neither name nor path.
      const user = { UserId: account, Arn: rootArn(account), CreateDate: await accountFacts.createdAt(account) };
      return { User: { Path: undefined, UserName: undefined, ...user } };
    }
    const name = await subjectOf(UserName, principal, { users });
    return { User: userView(await users.get(granted, name)) };
  },
});
