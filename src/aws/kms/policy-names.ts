import { refuse } from "../../domain/errors.ts";

/** A key has one policy, and that is its name. @throws KeyNotFound */
export function mustBeDefault(name = "default"): void {
  if (name !== "default") throw refuse("KeyNotFound", { reason: "No such policy exists" });
}
