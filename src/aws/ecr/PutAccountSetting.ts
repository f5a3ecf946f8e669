import { z } from "zod";
import { operation } from "./operation.ts";

export const PutAccountSetting = operation("PutAccountSetting", {
  input: { name: z.string().min(1).max(64), value: z.string() },
  needs: ({ name }) => [{ action: "ecr:PutAccountSetting", resource: "*", facts: { "ecr:accountsetting": name } }],
  throws: ["InvalidParameter", "Validation"],
  async run({ name, value }, granted, { settings }) {
    await settings.set(granted, name, value);
    return { name, value };
  },
});
