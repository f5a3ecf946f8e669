import { type Hurt, hurtShown, type Problem } from "./check.ts";
import { isSealed, keyOf } from "./encryption.ts";
import type { BlobRecord, KeyScope } from "./ports.ts";

/** Keys that could not be used, with what is behind them: one problem each, however many blobs they seal. */
export interface LockedKeys {
  /** A blob that could not be opened. */
  add(record: BlobRecord, reason: string): Promise<void>;
  /** A blob that nobody tried to open; it counts when its key is known to be locked. */
  addIfKnown(record: BlobRecord): Promise<void>;
  problems(): Problem[];
}

interface Locked {
  readonly reason: string;
  blobs: number;
  /** By repository and image. */
  readonly hurts: Map<string, Hurt>;
}

export function createLockedKeys(hurtBy: (record: BlobRecord) => Promise<Hurt[]>): LockedKeys {
  const keys = new Map<KeyScope, Locked>();

  async function count(record: BlobRecord, locked: Locked): Promise<void> {
    locked.blobs++;
    if (locked.hurts.size >= hurtShown) return;
    for (const hurt of await hurtBy(record)) {
      const { registry, repository, image = "" } = hurt;
      if (locked.hurts.size < hurtShown)
        locked.hurts.set([registry.account, registry.region, repository, image].join(" "), hurt);
    }
  }

  return {
    async add(record, reason) {
      const locked = keys.get(record.scope) ?? { reason, blobs: 0, hurts: new Map() };
      keys.set(record.scope, locked);
      await count(record, locked);
    },
    async addIfKnown(record) {
      const locked = keys.get(record.scope);
      if (locked && isSealed(record.generation)) await count(record, locked);
    },
    problems: () =>
      [...keys].map(([scope, { reason, blobs, hurts }]) => {
        const key = keyOf(scope);
        const what = `${key ? `the key ${key}` : "the server's own key"} cannot be used: ${reason} (${blobs} ${blobs === 1 ? "blob is" : "blobs are"} sealed under it, and left alone)`;
        return { kind: "KeyUnusable", what, outcome: "remains", ...(key ? { key } : {}), hurts: [...hurts.values()] };
      }),
  };
}
