import type { Region } from "../names.ts";
import type { SigningKey } from "./credentials.ts";
import type { IdentityMetadata, KeyUse } from "./ports.ts";

/**
 * When access keys and roles were last used. A request only notes it in memory; a batch is written now and then, so that
 * no request waits for a write and no key is written more often than that.
 */
export interface KeyUses {
  note(key: SigningKey, service: string, region: string): void;
  /** Writes what was noted since. */
  flush(): Promise<void>;
}

/** Keys in one batch. Further ones wait for their next use after the flush. */
const maxNoted = 10_000;

export function createKeyUses(parts: { metadata: Pick<IdentityMetadata, "transact">; clock: () => Date }): KeyUses {
  const { metadata, clock } = parts;
  let keys = new Map<string, KeyUse>();
  let identities = new Map<string, { at: Date; region: Region }>();

  function noteIn<Use>(noted: Map<string, Use>, id: string, use: Use): void {
    if (noted.size < maxNoted || noted.has(id)) noted.set(id, use);
  }

  return {
    note({ accessKeyId, temporary, principal }, service, region) {
      const at = clock();
      // A session's key is nowhere kept, and a root user's last use nowhere shown.
      if (!temporary && principal.kind === "user") noteIn(keys, accessKeyId, { at, service, region });
      if (principal.identityId !== undefined && principal.kind !== "federated") {
        noteIn(identities, principal.identityId, { at, region: region as Region });
      }
    },
    async flush() {
      if (keys.size + identities.size === 0) return;
      const batch = { keys, identities };
      keys = new Map();
      identities = new Map();
      await metadata.transact(
        async (nouns) => {
          if (batch.keys.size > 0) await nouns.accessKeys.used(batch.keys);
          if (batch.identities.size > 0) await nouns.identities.used(batch.identities);
        },
        { durable: false },
      );
    },
  };
}
