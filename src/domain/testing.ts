import { type Access, createAccess } from "./access.ts";

/** For tests that are not about permissions: a gate that lets root users in and nobody else. */
export function rootAccess(clock: () => Date = () => new Date()): Access {
  return createAccess({
    principals: { of: async () => ({ identity: [], facts: {} }) },
    resources: { of: async () => ({ resource: [], facts: {} }) },
    clock,
  });
}
