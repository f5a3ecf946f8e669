import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { CallRefused } from "../errors.ts";
import { operation } from "./operation.ts";

const defaultSeconds = 43_200;
/** A longer wish of the root user is granted for this long. */
const rootSeconds = 3600;

export const GetSessionToken = operation("GetSessionToken", {
  input: {
    DurationSeconds: z.number().int().min(900).max(129_600).optional(),
    SerialNumber: z.string().min(9).max(256).optional(),
    TokenCode: z.string().optional(),
    MinimumSessionTokenSize: z.number().int().min(0).max(4096).optional(),
  },
  needs: () => [], // no policy can allow or deny it: it only proves again who signs
  throws: ["Validation"],
  async run(input, { caller: { principal } }, { credentials }, key) {
    const { DurationSeconds = defaultSeconds, SerialNumber, TokenCode, MinimumSessionTokenSize = 0 } = input;
    if (key.temporary) {
      throw new CallRefused("AccessDenied", "Cannot call GetSessionToken with session credentials");
    }
    if (SerialNumber !== undefined || TokenCode !== undefined) {
      // Nobody has a device here. A session must not look as if one had been asked.
      throw new CallRefused("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.");
    }
    const seconds = principal.kind === "root" ? Math.min(DurationSeconds, rootSeconds) : DurationSeconds;
    const session = await credentials.issueSession(principal, key.longTermKeyId, seconds);
    if (session.sessionToken.length < MinimumSessionTokenSize) {
      throw refuse("Validation", { reason: `Session tokens have ${session.sessionToken.length} bytes on this server` });
    }
    return {
      Credentials: {
        AccessKeyId: session.accessKeyId,
        SecretAccessKey: session.secretAccessKey,
        SessionToken: session.sessionToken,
        Expiration: session.expiration,
      },
    };
  },
});
