import { z } from "zod";
import { operation } from "./operation.ts";

export const GetAccountSetting = operation("GetAccountSetting", {
  input: { name: z.string().min(1).max(64) },
  needs: ({ name }) => [{ action: "ecr:GetAccountSetting", resource: "*", facts: { "ecr:accountsetting": name } }],
  throws: ["InvalidParameter"],
  async run({ name }, granted, { settings }) {
    return { name, value: await settings.get(granted, name) };
  },
});
