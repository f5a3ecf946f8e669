import type { Granted } from "../access.ts";
import type { Arn } from "../names.ts";
import { checkUnprotected, findEntity } from "./entities.ts";
import { checkUsable } from "./policy-use.ts";
import type { IdentityMetadata } from "./ports.ts";

/** The policy that says what a user or role can be allowed at the most. */
export interface BoundaryService {
  /** @throws NoSuchEntity, PolicyNotAttachable, ProtectedRole */
  put(granted: Granted, kind: "user" | "role", name: string, policy: Arn): Promise<void>;
  /** Answers well where none is set. @throws NoSuchEntity, ProtectedRole */
  delete(granted: Granted, kind: "user" | "role", name: string): Promise<void>;
}

export function createBoundaries(parts: { metadata: IdentityMetadata; changed: () => void }): BoundaryService {
  const { metadata, changed } = parts;

  async function set({ registry: { account } }: Granted, kind: "user" | "role", name: string, boundary?: Arn) {
    await metadata.transact(async (nouns) => {
      const entity = await findEntity(nouns, account, kind, name);
      checkUnprotected(entity);
      if (boundary !== undefined) await checkUsable(nouns, account, boundary);
      await nouns.identities.update(entity.id, { boundary });
    });
    changed();
  }

  return { put: set, delete: (granted, kind, name) => set(granted, kind, name) };
}
