import { operation } from "./operation.ts";
import { PolicyList } from "./simulation.ts";

export const GetContextKeysForCustomPolicy = operation("GetContextKeysForCustomPolicy", {
  input: { PolicyInputList: PolicyList },
  needs: () => [{ action: "iam:GetContextKeysForCustomPolicy", resource: "*" }],
  throws: ["InvalidInput"],
  async run({ PolicyInputList }, granted, { simulation }) {
    return { ContextKeyNames: await simulation.contextKeys(granted, { policies: PolicyInputList }) };
  },
});
