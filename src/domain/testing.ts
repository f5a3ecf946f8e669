import { compilePolicy } from "../policy/compile.ts";
import { type Access, createAccess } from "./access.ts";
import { createImageFacts } from "./registry/image-facts.ts";
import type { Metadata } from "./registry/ports.ts";
import type { RepositoryKeys } from "./registry/repository-keys.ts";
import { createRegistryResources } from "./registry/resource-policies.ts";

/** What services of the registry that are made by themselves need for decisions. */
export function decisionParts(metadata: Metadata) {
  const imageFacts = createImageFacts(metadata.read);
  const resources = createRegistryResources({ metadata, imageFacts, compile: compilePolicy });
  return { imageFacts, resources, keys: noKeys };
}

/** For tests that are not about encryption: there is the server's own key and no other. */
export const noKeys: RepositoryKeys = {
  mayPush: async () => {},
  mayPull: async () => {},
  choose: async () => {
    throw new Error("there are no keys");
  },
  release: async () => {},
};

/** For tests that are not about permissions: a gate that lets root users in and nobody else. */
export function rootAccess(clock: () => Date = () => new Date()): Access {
  return createAccess({
    principals: { of: async () => ({ identity: [], facts: {} }) },
    resources: { of: async () => ({ resource: [], facts: {} }) },
    clock,
  });
}
