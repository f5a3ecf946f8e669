import { randomBytes } from "node:crypto";
import type { Arn } from "../names.ts";
import type { KeyWrapper } from "./ports.ts";

/** Who can hold the master key, and what their wrapped texts begin with. They are stored, so they never change. */
export const keeperFormats = { local: 1, aws: 2, vault: 3 } as const;
export type KeeperKind = keyof typeof keeperFormats;

const keeperNames: Record<KeeperKind, string> = {
  local: "a local master key",
  aws: "AWS KMS (kms.awsKey)",
  vault: "Vault (kms.vaultUrl)",
};

/** Whoever holds the master key did not do what it was asked for. The message is for an operator, and has no secret. */
export class KeeperFailed extends Error {
  override readonly name = "KeeperFailed";
  constructor(
    message: string,
    /** Whether it may be otherwise in a moment. */
    readonly isPassing: boolean,
    /** What the keeper calls it. */
    readonly code?: string,
  ) {
    super(message);
  }
}

/** Those that are configured. */
export type Keepers = { readonly [Kind in KeeperKind]?: KeyWrapper };

/** One keeper wraps; each opens what it has wrapped. So a keeper can be left for another with everything at work. */
export function joinKeepers(current: KeyWrapper, keepers: Keepers): KeyWrapper {
  const keeperOf = (wrapped: Uint8Array) => {
    const kind = kindOf(wrapped);
    return kind && keepers[kind];
  };
  return {
    wrap: current.wrap,
    async unwrap(wrapped, name, version) {
      const keeper = keeperOf(wrapped);
      if (keeper) return await keeper.unwrap(wrapped, name, version);
      const kind = kindOf(wrapped);
      const whose = kind
        ? `${keeperNames[kind]}, which is not configured`
        : "something that this version does not know";
      throw new KeeperFailed(`the material of ${name} is wrapped by ${whose}; see docs/kms.md`, false);
    },
    isCurrent: async (wrapped) => keeperOf(wrapped) === current && (await current.isCurrent(wrapped)),
  };
}

/** @param kind absent for one that only a later version knows */
export function notConfigured(what: string, kind: KeeperKind | undefined): KeeperFailed {
  const whose = kind ? `${keeperNames[kind]}, which is not configured` : "something that this version does not know";
  return new KeeperFailed(`${what} wrapped by ${whose}; see docs/kms.md`, false);
}

export function kindOf(wrapped: Uint8Array): KeeperKind | undefined {
  return (Object.keys(keeperFormats) as KeeperKind[]).find((kind) => keeperFormats[kind] === wrapped[0]);
}

/**
 * Shows, before anything relies on it, that a keeper opens what it wraps, and only under the name it was wrapped for: one
 * that passes the name over would open rows that somebody exchanged.
 * @throws KeeperFailed
 */
export async function proveKeeper(keeper: KeyWrapper): Promise<void> {
  const name = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000" as Arn;
  const material = randomBytes(32);
  const wrapped = await keeper.wrap(material, name, 1);
  if (!Buffer.from(await keeper.unwrap(wrapped, name, 1)).equals(material)) {
    throw new KeeperFailed("the keeper of the master key answers with something else than it was given", false);
  }
  try {
    await keeper.unwrap(wrapped, name, 2);
  } catch (error) {
    if (error instanceof KeeperFailed && !error.isPassing) return;
    throw error;
  }
  throw new KeeperFailed(
    "the keeper of the master key takes no notice of what a text is bound to (encryption context, associated data), so it cannot be used",
    false,
  );
}
