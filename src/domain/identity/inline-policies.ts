import { policySize } from "../../policy/document.ts";
import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { checkUnprotected, findEntity } from "./entities.ts";
import { checkPolicy } from "./policy-text.ts";
import type { IdentityKind, IdentityMetadata, Paged } from "./ports.ts";

/** Policies that are part of one user, group or role, and go with it. */
export interface InlinePolicyService {
  /** Creates or replaces. @throws NoSuchEntity, MalformedPolicy, LimitExceeded, ProtectedRole */
  put(granted: Granted, kind: IdentityKind, entity: string, name: string, document: string): Promise<void>;
  /** @throws NoSuchEntity */
  get(granted: Granted, kind: IdentityKind, entity: string, name: string): Promise<string>;
  /** @throws NoSuchEntity, ProtectedRole */
  delete(granted: Granted, kind: IdentityKind, entity: string, name: string): Promise<void>;
  /** By name. @throws NoSuchEntity */
  names(granted: Granted, kind: IdentityKind, entity: string, page: Paged<string>): Promise<string[]>;
}

/** Of all inline policies of one entity together (IAM user guide, "IAM and AWS STS quotas"). */
const maxSizes: Record<IdentityKind, number> = { user: 2048, group: 5120, role: 10_240 };

export function createInlinePolicies(parts: { metadata: IdentityMetadata; changed: () => void }): InlinePolicyService {
  const { metadata, changed } = parts;

  function notFound(kind: IdentityKind, name: string) {
    return refuse("NoSuchEntity", { reason: `The ${kind} policy with name ${name} cannot be found.` });
  }

  return {
    async put({ registry: { account } }, kind, entity, name, document) {
      await metadata.transact(async (nouns) => {
        const found = await findEntity(nouns, account, kind, entity);
        checkUnprotected(found);
        const others = (await nouns.identities.inlinePolicies(found.id)).filter((other) => other.name !== name);
        const left = others.reduce((sum, other) => sum - policySize(other.document, "identity"), maxSizes[kind]);
        const tooLong = `Maximum policy size of ${maxSizes[kind]} bytes exceeded for ${kind} ${entity}`;
        checkPolicy(document, "identity", left, tooLong);
        await nouns.identities.putInlinePolicy(found.id, name, document);
      });
      changed();
    },

    async get({ registry: { account } }, kind, entity, name) {
      const { id } = await findEntity(metadata.read, account, kind, entity);
      const document = await metadata.read.identities.inlinePolicy(id, name);
      if (document === undefined) throw notFound(kind, name);
      return document;
    },

    async delete({ registry: { account } }, kind, entity, name) {
      await metadata.transact(async (nouns) => {
        const found = await findEntity(nouns, account, kind, entity);
        checkUnprotected(found);
        if (!(await nouns.identities.deleteInlinePolicy(found.id, name))) throw notFound(kind, name);
      });
      changed();
    },

    async names({ registry: { account } }, kind, entity, page) {
      const { id } = await findEntity(metadata.read, account, kind, entity);
      return metadata.read.identities.inlinePolicyNames(id, page);
    },
  };
}
