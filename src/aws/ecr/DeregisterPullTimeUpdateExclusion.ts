import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { PrincipalArn } from "./shapes.ts";

export const DeregisterPullTimeUpdateExclusion = operation("DeregisterPullTimeUpdateExclusion", {
  input: { principalArn: PrincipalArn },
  needs: onRegistry("ecr:DeregisterPullTimeUpdateExclusion"),
  throws: ["InvalidParameter", "ExclusionNotFound"],
  async run({ principalArn }, granted, { pullTimeExclusions }) {
    await pullTimeExclusions.deregister(granted, principalArn);
    return { principalArn };
  },
});
