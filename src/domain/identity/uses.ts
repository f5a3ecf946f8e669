import type { Principal } from "../access.ts";
import type { Region } from "../names.ts";
import type { IdentityMetadata, KeyUse } from "./ports.ts";

/**
 * When keys, users and roles were last used. A request only notes it in memory and a batch is written now and then: no
 * request waits for a write. What is shown may be some seconds old, and a crash may lose as much.
 */
export interface IdentityUses {
  /** `accessKeyId` is a long-term key that signed; absent for sessions and tokens. */
  note(use: { principal: Principal; accessKeyId?: string; service: string; region: Region }): void;
  /** Writes what was noted since. */
  flush(): Promise<void>;
}

/** In one batch. Further ones wait for their next use after the flush. */
const maxNoted = 10_000;

export function createIdentityUses({
  metadata,
  clock,
}: {
  metadata: IdentityMetadata;
  clock: () => Date;
}): IdentityUses {
  let keys = new Map<string, KeyUse>();
  let identities = new Map<string, { at: Date; region: Region }>();

  return {
    note({ principal: { identityId }, accessKeyId, service, region }) {
      const at = clock();
      // Keys of root users are no one's rows.
      if (identityId === undefined) return;
      add(identities, identityId, { at, region });
      if (accessKeyId !== undefined) add(keys, accessKeyId, { at, service, region });
    },
    async flush() {
      if (identities.size === 0) return;
      const [keyBatch, identityBatch] = [keys, identities];
      [keys, identities] = [new Map(), new Map()];
      await metadata.transact(
        async (nouns) => {
          await nouns.accessKeys.used(keyBatch);
          await nouns.identities.used(identityBatch);
        },
        { durable: false },
      );
    },
  };
}

function add<Value>(noted: Map<string, Value>, key: string, value: Value): void {
  if (noted.size < maxNoted || noted.has(key)) noted.set(key, value);
}
