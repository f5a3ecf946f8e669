import { z } from "zod";
import type { Need } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import { keySpecFacts } from "../../domain/keys/keyring.ts";
import { callerFacts } from "./needs.ts";
import { operation } from "./operation.ts";
import { Description, mustBeAbsent, Policy, requestTagFacts, Tags, tagsOf } from "./shapes.ts";
import { keyView } from "./views.ts";

const symmetric = "SYMMETRIC_DEFAULT";
/** Those that we do not make too: whoever asks for one is told so. */
const spec = z.string().min(1).max(64);

export const CreateKey = operation("CreateKey", {
  input: {
    Policy: Policy.optional(),
    Description: Description.optional(),
    KeyUsage: spec.optional(),
    CustomerMasterKeySpec: spec.optional(),
    KeySpec: spec.optional(),
    Origin: spec.optional(),
    CustomKeyStoreId: z.string().optional(),
    BypassPolicyLockoutSafetyCheck: z.boolean().optional(),
    Tags: Tags.optional(),
    MultiRegion: z.boolean().optional(),
    XksKeyId: z.string().optional(),
  },
  needs({ Tags: tags = [], BypassPolicyLockoutSafetyCheck: bypass = false }, _registry, { principal }) {
    const facts = {
      ...keySpecFacts,
      ...callerFacts(principal),
      ...requestTagFacts(tags),
      "kms:bypasspolicylockoutsafetycheck": String(bypass),
    };
    const create: Need = { action: "kms:CreateKey", resource: "*", facts };
    return tags.length === 0 ? [create] : [create, { action: "kms:TagResource", resource: "*", facts }];
  },
  throws: ["MalformedPolicy", "UnsupportedKey", "LimitExceeded", "InvalidKeyTag", "InvalidKeyArn", "Validation"],
  async run(input, granted, { keys }) {
    const {
      KeySpec = input.CustomerMasterKeySpec ?? symmetric,
      KeyUsage = "ENCRYPT_DECRYPT",
      Origin = "AWS_KMS",
    } = input;
    const { CustomKeyStoreId, XksKeyId } = input;
    mustBeAbsent({ CustomKeyStoreId, XksKeyId, MultiRegion: input.MultiRegion || undefined });
    if (KeySpec !== symmetric) throw refuse("UnsupportedKey", { reason: `KeySpec ${KeySpec} is not supported` });
    if (KeyUsage !== "ENCRYPT_DECRYPT") {
      const reason = `KeyUsage ${KeyUsage} is not compatible with KeySpec ${KeySpec}`;
      throw refuse("Validation", { reason });
    }
    if (Origin !== "AWS_KMS") throw refuse("UnsupportedKey", { reason: `Origin ${Origin} is not supported` });
    const key = await keys.create(granted, {
      description: input.Description ?? "",
      tags: tagsOf(input.Tags ?? []),
      policy: input.Policy,
      bypass: input.BypassPolicyLockoutSafetyCheck ?? false,
    });
    return { KeyMetadata: keyView(key) };
  },
});
