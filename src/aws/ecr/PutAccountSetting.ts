import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const PutAccountSetting = operation("PutAccountSetting", {
  input: { name: z.string().min(1).max(64), value: z.string() },
  needs: onRegistry("ecr:PutAccountSetting"),
  throws: ["InvalidParameter", "Validation"],
  async run({ name, value }, granted, { settings }) {
    await settings.set(granted, name, value);
    return { name, value };
  },
});
