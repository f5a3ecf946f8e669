import { randomBytes } from "node:crypto";
import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { mustBeAbsent, Recipient } from "./shapes.ts";

export const GenerateRandom = operation("GenerateRandom", {
  input: {
    NumberOfBytes: z.number().int().min(1).max(1024).optional(),
    CustomKeyStoreId: z.string().optional(),
    Recipient: Recipient.optional(),
  },
  needs: onRegistry("kms:GenerateRandom"),
  throws: ["UnsupportedKey", "Validation"],
  async run({ NumberOfBytes: bytes, CustomKeyStoreId, Recipient }) {
    mustBeAbsent({ CustomKeyStoreId, Recipient });
    if (bytes === undefined) throw refuse("Validation", { reason: "NumberOfBytes is required" });
    return { Plaintext: randomBytes(bytes) };
  },
});
