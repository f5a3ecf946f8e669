import type { PolicyCompiler } from "../../policy/compiler.ts";
import type { Access, PrincipalDirectory, ResourcePolicies } from "../access.ts";
import { createAliases } from "./aliases.ts";
import { createGrants } from "./grants.ts";
import { createKeyResources } from "./key-resources.ts";
import type { Keyring } from "./keyring.ts";
import { createKeys } from "./keys.ts";
import type { KeyMetadata, KeyWrapper } from "./ports.ts";
import { createRotation } from "./rotation.ts";

export interface KeyServicesParts {
  readonly metadata: KeyMetadata;
  readonly wrapper: KeyWrapper;
  readonly keyring: Keyring;
  readonly directory: PrincipalDirectory;
  readonly compile: PolicyCompiler["compile"];
  /** The gate, if `resources` were what there is. Not asked before everything is made. */
  readonly accessOver: (resources: ResourcePolicies) => Access;
  readonly clock: () => Date;
}

export type KeyServices = ReturnType<typeof createKeyServices>;

/** Everything about keys, over what is kept. */
export function createKeyServices(parts: KeyServicesParts) {
  const { keyring } = parts;
  const resources = createKeyResources({ keyring, compile: parts.compile });
  return {
    keyring,
    resources,
    keys: createKeys({ ...parts, keyring, resources }),
    aliases: createAliases({ ...parts, keyring }),
    grants: createGrants({ ...parts, keyring }),
    rotation: createRotation({ ...parts, keyring }),
  };
}
