import { operation } from "./operation.ts";
import { EntityArn } from "./shapes.ts";
import { PolicyList } from "./simulation.ts";

export const GetContextKeysForPrincipalPolicy = operation("GetContextKeysForPrincipalPolicy", {
  input: { PolicySourceArn: EntityArn, PolicyInputList: PolicyList.optional() },
  needs: ({ PolicySourceArn }) => [{ action: "iam:GetContextKeysForPrincipalPolicy", resource: PolicySourceArn }],
  throws: ["InvalidInput", "NoSuchEntity"],
  async run({ PolicySourceArn: source, PolicyInputList: policies = [] }, granted, { simulation }) {
    return { ContextKeyNames: await simulation.contextKeys(granted, { source, policies }) };
  },
});
