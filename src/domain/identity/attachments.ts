import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Arn } from "../names.ts";
import { checkUnprotected, findEntity } from "./entities.ts";
import { checkUsable } from "./policy-use.ts";
import type { IdentityKind, IdentityMetadata } from "./ports.ts";

/** Managed policies on users, groups and roles. */
export interface AttachmentService {
  /** Safe to repeat. @throws NoSuchEntity, PolicyNotAttachable, LimitExceeded, ProtectedRole */
  attach(granted: Granted, kind: IdentityKind, entity: string, policy: Arn): Promise<void>;
  /** @throws NoSuchEntity, ProtectedRole */
  detach(granted: Granted, kind: IdentityKind, entity: string, policy: Arn): Promise<void>;
  /** ARNs, ascending; all of them, for there are few. @throws NoSuchEntity */
  list(granted: Granted, kind: IdentityKind, entity: string): Promise<Arn[]>;
}

/** Default quota (IAM user guide, "IAM and AWS STS quotas"). */
const maxAttached = 10;
const quotas: Record<IdentityKind, string> = {
  user: "PoliciesPerUser",
  group: "PoliciesPerGroup",
  role: "PoliciesPerRole",
};

export function createAttachments(parts: { metadata: IdentityMetadata; changed: () => void }): AttachmentService {
  const { metadata, changed } = parts;
  return {
    async attach({ registry: { account } }, kind, entity, policy) {
      await metadata.transact(async (nouns) => {
        const found = await findEntity(nouns, account, kind, entity);
        checkUnprotected(found);
        await checkUsable(nouns, account, policy);
        const attached = await nouns.identities.attached(found.id, { limit: maxAttached });
        if (attached.includes(policy)) return;
        if (attached.length >= maxAttached) {
          throw refuse("LimitExceeded", { reason: `Cannot exceed quota for ${quotas[kind]}: ${maxAttached}` });
        }
        await nouns.identities.attach(found.id, policy);
      });
      changed();
    },

    async detach({ registry: { account } }, kind, entity, policy) {
      await metadata.transact(async (nouns) => {
        const found = await findEntity(nouns, account, kind, entity);
        checkUnprotected(found);
        if (await nouns.identities.detach(found.id, policy)) return;
        throw refuse("NoSuchEntity", { reason: `Policy ${policy} was not found.` });
      });
      changed();
    },

    async list({ registry: { account } }, kind, entity) {
      const { id } = await findEntity(metadata.read, account, kind, entity);
      return metadata.read.identities.attached(id, { limit: maxAttached });
    },
  };
}
