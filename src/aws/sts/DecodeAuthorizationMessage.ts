import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";

export const DecodeAuthorizationMessage = operation("DecodeAuthorizationMessage", {
  input: { EncodedMessage: z.string().min(1).max(10_240) },
  needs: onRegistry("sts:DecodeAuthorizationMessage"),
  throws: ["AccessDenied", "InvalidAuthorizationMessage"],
  async run() {
    // No service here makes encoded messages: none can be one of ours.
    throw refuse("InvalidAuthorizationMessage");
  },
});
