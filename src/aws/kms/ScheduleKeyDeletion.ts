import { z } from "zod";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId } from "./shapes.ts";
import { arnOf } from "./views.ts";

const presetDays = 30;

export const ScheduleKeyDeletion = operation("ScheduleKeyDeletion", {
  input: { KeyId, PendingWindowInDays: z.number().int().min(7).max(30).optional() },
  account: ofKey,
  needs: onKey("kms:ScheduleKeyDeletion", {
    facts: ({ PendingWindowInDays: days = presetDays }: { KeyId: string; PendingWindowInDays?: number }) => ({
      "kms:schedulekeydeletionpendingwindowindays": String(days),
    }),
  }),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState"],
  async run({ PendingWindowInDays: days = presetDays }, granted, { keys }) {
    const key = await keys.scheduleDeletion(granted, days);
    return { KeyId: arnOf(key), DeletionDate: key.deletionAt, KeyState: key.state, PendingWindowInDays: days };
  },
});
