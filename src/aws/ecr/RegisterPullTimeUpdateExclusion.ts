import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { PrincipalArn } from "./shapes.ts";

export const RegisterPullTimeUpdateExclusion = operation("RegisterPullTimeUpdateExclusion", {
  input: { principalArn: PrincipalArn },
  needs: onRegistry("ecr:RegisterPullTimeUpdateExclusion"),
  throws: ["InvalidParameter", "ExclusionAlreadyExists", "LimitExceeded"],
  async run({ principalArn }, granted, { pullTimeExclusions }) {
    return { principalArn, createdAt: await pullTimeExclusions.register(granted, principalArn) };
  },
});
