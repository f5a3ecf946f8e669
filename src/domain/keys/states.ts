import { refuse } from "../errors.ts";
import { keyArn } from "../names.ts";
import type { Key } from "./ports.ts";

/** What can be done with a key in which state (KMS developer guide, "Key states of AWS KMS keys"). */

/** @throws KeyDisabled, KeyInvalidState */
export function mustBeEnabled(key: Key): void {
  mustNotBePending(key);
  if (key.state === "Disabled") throw refuse("KeyDisabled", { arn: keyArn(key.registry, key.id) });
}

/** @throws KeyInvalidState */
export function mustNotBePending({ state, registry, id }: Key): void {
  if (state === "PendingDeletion") {
    throw refuse("KeyInvalidState", { arn: keyArn(registry, id), state: "pending deletion" });
  }
}
