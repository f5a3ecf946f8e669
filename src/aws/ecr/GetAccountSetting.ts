import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const GetAccountSetting = operation("GetAccountSetting", {
  input: { name: z.string().min(1).max(64) },
  needs: onRegistry("ecr:GetAccountSetting"),
  throws: ["InvalidParameter"],
  async run({ name }, granted, { settings }) {
    return { name, value: await settings.get(granted, name) };
  },
});
