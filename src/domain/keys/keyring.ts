import type { CompiledPolicy } from "../../policy/compile.ts";
import type { PolicyCompiler } from "../../policy/compiler.ts";
import type { Facts } from "../access.ts";
import { refuse } from "../errors.ts";
import { createFresh } from "../fresh.ts";
import { type Arn, type KeyAlias, type KeyId, keyArn, parseAccountId, parseRegion, type Registry } from "../names.ts";
import {
  arnOfCiphertext,
  type CiphertextUse,
  type EncryptionContext,
  openText,
  parseCiphertext,
  sealText,
} from "./ciphertext.ts";
import type { Grant, Key, KeyMetadata, KeyWrapper } from "./ports.ts";
import { notFound, parseReference } from "./references.ts";
import { mustBeEnabled } from "./states.ts";

/**
 * What is known of keys, for half a second (fresh.ts), and what they do. It asks nobody for permission: whoever calls it
 * has a grant of the gate, or acts for Berth itself.
 */
export interface Keyring {
  find(id: KeyId): Promise<KnownKey | undefined>;
  /** @throws KeyNotFound */
  get(registry: Registry, id: KeyId): Promise<Key>;
  /** The ARN of the key that a request means; of the alias where that means none. @throws KeyNotFound, InvalidKeyArn */
  resolve(registry: Registry, reference: string): Promise<Arn>;
  /** The grants of a key that mean one of `principals`. */
  grantsTo(id: KeyId, principals: readonly string[]): Promise<readonly Grant[]>;
  grant(id: KeyId, grant: string): Promise<Grant | undefined>;
  /** The grants of a key to `grantee` that hold in this encryption context, a few at most. */
  grantsWithin(id: KeyId, grantee: string, context: EncryptionContext): Promise<readonly Grant[]>;
  /** Something of a key was changed in this process: its next request sees it. */
  changed(id?: KeyId): void;

  /** @throws KeyNotFound, KeyDisabled, KeyInvalidState */
  encrypt(registry: Registry, id: KeyId, plaintext: Uint8Array, context: EncryptionContext): Promise<Sealed>;
  /** @throws InvalidCiphertext, KeyNotFound, KeyDisabled, KeyInvalidState */
  decrypt(ciphertext: Uint8Array, context: EncryptionContext): Promise<Opened>;
  /** The same for what Berth keeps for itself, by keys of users and by its own. KMS opens nothing of it, nor makes any. */
  encryptOwn(registry: Registry, id: KeyId, plaintext: Uint8Array, context: EncryptionContext): Promise<Sealed>;
  decryptOwn(ciphertext: Uint8Array, context: EncryptionContext): Promise<Opened>;
}

export interface KnownKey {
  readonly key: Key;
  readonly arn: Arn;
  readonly policy: CompiledPolicy;
  /** `aws:resourcetag/…`, `kms:keyspec` and the like. */
  readonly facts: Facts;
}

export interface Sealed {
  readonly key: Key;
  readonly ciphertext: Uint8Array;
  /** Of the material that did it. */
  readonly version: number;
}

export interface Opened {
  readonly key: Key;
  readonly plaintext: Uint8Array;
  readonly version: number;
}

export interface KeyringParts {
  readonly metadata: Pick<KeyMetadata, "read">;
  readonly wrapper: KeyWrapper;
  readonly compile: PolicyCompiler["compile"];
}

const maxKeys = 10_000;
const maxAliases = 10_000;
const maxGrantees = 10_000;
const maxGrants = 10_000;
/** More would say no more. */
const maxGrantsWithin = 10;
/** Unwrapped, so that the master key, which may be elsewhere, is not asked for each request. */
const maxMaterials = 1_000;
/** A key has 50 (KMS developer guide, "Resource quotas"). */
const maxAliasesOfKey = 50;

export function createKeyring({ metadata: { read }, wrapper, compile }: KeyringParts): Keyring {
  /** Least recently used first. */
  const materials = new Map<string, Promise<Uint8Array>>();

  const known = createFresh<KnownKey | undefined>({
    async read(id) {
      const key = await read.keys.find(id as KeyId);
      if (!key) {
        for (const name of materials.keys()) if (name.startsWith(`${id} `)) materials.delete(name);
        return undefined;
      }
      const aliases = await read.keyAliases.list(key.registry, { limit: maxAliasesOfKey }, key.id);
      const arn = keyArn(key.registry, key.id);
      const source = { kind: "key", name: `policy of ${arn}` } as const;
      const policy = compile(key.policy, source, { bindings: key.policyBindings });
      return {
        key,
        arn,
        policy,
        facts: factsOf(
          key,
          aliases.map(({ name }) => name),
        ),
      };
    },
    maxEntries: maxKeys,
  });

  const aliases = createFresh<KeyId | undefined>({
    async read(text) {
      const [account = "", region = "", name] = text.split(" ");
      const registry = { account: parseAccountId(account), region: parseRegion(region) } as Registry;
      return (await read.keyAliases.find(registry, name as KeyAlias))?.keyId;
    },
    maxEntries: maxAliases,
  });

  const grants = createFresh<readonly Grant[]>({
    read(text) {
      const [id, ...principals] = text.split(" ");
      return read.keyGrants.of(id as KeyId, principals);
    },
    maxEntries: maxGrantees,
  });

  const single = createFresh<Grant | undefined>({
    read(text) {
      const [id, grant = ""] = text.split(" ");
      return read.keyGrants.find(id as KeyId, grant);
    },
    maxEntries: maxGrants,
  });

  const within = createFresh<readonly Grant[]>({
    read(text) {
      const [id, grantee, context] = JSON.parse(text) as [KeyId, string, [string, string][]];
      return read.keyGrants.within(id, grantee, new Map(context), maxGrantsWithin);
    },
    maxEntries: maxGrants,
  });

  function materialOf({ id, registry }: Key, version: number): Promise<Uint8Array> {
    const name = `${id} ${version}`;
    const before = materials.get(name);
    const found = before ?? unwrap(registry, id, version);
    materials.delete(name);
    materials.set(name, found);
    if (before) return before;
    const forgetOldest = () => {
      if (materials.size > maxMaterials) materials.delete(materials.keys().next().value ?? "");
    };
    // What could not be unwrapped takes nobody's place: while the keeper is away, nobody gets it back.
    found.then(forgetOldest, () => materials.delete(name));
    return found;
  }

  async function unwrap(registry: Registry, id: KeyId, version: number): Promise<Uint8Array> {
    const material = await read.keys.material(id, version);
    if (!material) throw refuse("InvalidCiphertext");
    return await wrapper.unwrap(material.wrapped, keyArn(registry, id), version);
  }

  async function seal(
    use: CiphertextUse,
    registry: Registry,
    id: KeyId,
    plaintext: Uint8Array,
    context: EncryptionContext,
  ): Promise<Sealed> {
    const key = await get(registry, id);
    mustBeEnabled(key);
    const { version } = key;
    const material = await materialOf(key, version);
    return { key, ciphertext: sealText({ registry, keyId: id, version }, material, plaintext, context, use), version };
  }

  async function open(use: CiphertextUse, ciphertext: Uint8Array, context: EncryptionContext): Promise<Opened> {
    const header = parseCiphertext(ciphertext, use);
    if (!header) throw refuse("InvalidCiphertext");
    const { keyId, version } = header;
    const isKnown = (key: KnownKey | undefined) => key !== undefined && version <= key.key.version;
    let found = await known.get(keyId);
    if (!isKnown(found)) {
      // Another process may have made the key, or its material, a moment ago.
      known.forget(keyId);
      found = await known.get(keyId);
    }
    if (!found || found.arn !== arnOfCiphertext(header)) throw refuse("InvalidCiphertext");
    mustBeEnabled(found.key);
    if (version < 1 || version > found.key.version) throw refuse("InvalidCiphertext");
    const plaintext = openText(ciphertext, await materialOf(found.key, version), context);
    if (!plaintext) throw refuse("InvalidCiphertext");
    return { key: found.key, plaintext, version };
  }

  async function get(registry: Registry, id: KeyId): Promise<Key> {
    const found = await known.get(id);
    if (!found || found.arn !== keyArn(registry, id)) throw notFound(registry, id);
    return found.key;
  }

  return {
    find: (id) => known.get(id),
    get,
    async resolve(registry, reference) {
      const { id, alias } = parseReference(reference, registry);
      if (id) return keyArn(registry, id);
      const target = await aliases.get(`${registry.account} ${registry.region} ${alias}`);
      return target ? keyArn(registry, target) : (`arn:aws:kms:${registry.region}:${registry.account}:${alias}` as Arn);
    },
    grantsTo: (id, principals) => grants.get([id, ...principals].join(" ")),
    grant: (id, grant) => single.get(`${id} ${grant}`),
    grantsWithin: (id, grantee, context) => within.get(JSON.stringify([id, grantee, [...context]])),
    changed(id) {
      known.forget(id);
      aliases.forget();
      for (const some of [grants, single, within]) some.forget();
    },
    encrypt: (...of) => seal("kms", ...of),
    decrypt: (ciphertext, context) => open("kms", ciphertext, context),
    encryptOwn: (...of) => seal("own", ...of),
    decryptOwn: (ciphertext, context) => open("own", ciphertext, context),
  };
}

/** All keys are alike in what is not their own. */
export const keySpecFacts: Facts = {
  "kms:keyspec": "SYMMETRIC_DEFAULT",
  "kms:customermasterkeyspec": "SYMMETRIC_DEFAULT",
  "kms:keyusage": "ENCRYPT_DECRYPT",
  "kms:customermasterkeyusage": "ENCRYPT_DECRYPT",
  "kms:keyorigin": "AWS_KMS",
  "kms:multiregion": "false",
};

function factsOf({ tags }: Key, aliases: readonly string[]): Facts {
  const facts: Record<string, string | readonly string[]> = {};
  for (const [key, value] of tags) facts[`aws:resourcetag/${key.toLowerCase()}`] = value;
  return { ...keySpecFacts, ...facts, "kms:resourcealiases": aliases.length > 0 ? aliases : undefined };
}
