import { z } from "zod";
import { CallRefused } from "../errors.ts";
import { operation } from "./operation.ts";
import { credentialsView, MinimumSessionTokenSize, refuseDevice, SerialNumber, TokenCode } from "./shapes.ts";

const defaultSeconds = 43_200;

export const GetSessionToken = operation("GetSessionToken", {
  input: {
    DurationSeconds: z.number().int().min(900).max(129_600).optional(),
    SerialNumber: SerialNumber.optional(),
    TokenCode: TokenCode.optional(),
    MinimumSessionTokenSize: MinimumSessionTokenSize.optional(),
  },
  needs: () => [], // no policy can allow or deny it: it only proves again who signs
  throws: ["Validation"],
  async run(input, granted, { sessions }, key) {
    if (key.temporary) {
      throw new CallRefused("AccessDenied", "Cannot call GetSessionToken with session credentials");
    }
    refuseDevice(input);
    const session = await sessions.again(granted, key, input.DurationSeconds ?? defaultSeconds);
    return { Credentials: credentialsView(session, input.MinimumSessionTokenSize) };
  },
});
