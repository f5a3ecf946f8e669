import type { DigestAlgorithm } from "../../domain/names.ts";
import type { StagingId } from "../../domain/registry/ports.ts";

interface RunningHash {
  readonly offset: number;
  readonly algorithm: DigestAlgorithm;
  readonly hasher: Bun.CryptoHasher;
}

/** The hashes of unfinished uploads, where this process has seen every byte. A hint: what is missing is read again. */
export interface RunningHashes {
  /** The hash of the first `offset` bytes, if known. It is taken out: an append that fails must not leave it behind. */
  take(staging: StagingId, offset: number, algorithm: DigestAlgorithm): Bun.CryptoHasher | undefined;
  keep(staging: StagingId, hash: RunningHash): void;
  forget(staging: StagingId): void;
}

export function createRunningHashes(limit: number): RunningHashes {
  // A map keeps the order of insertion, so its first key is the one kept longest ago.
  const hashes = new Map<StagingId, RunningHash>();
  return {
    take(staging, offset, algorithm) {
      const known = hashes.get(staging);
      hashes.delete(staging);
      if (offset === 0) return new Bun.CryptoHasher(algorithm);
      return known?.offset === offset && known.algorithm === algorithm ? known.hasher : undefined;
    },
    keep(staging, hash) {
      hashes.delete(staging);
      hashes.set(staging, hash);
      const [oldest] = hashes.keys();
      if (hashes.size > limit && oldest !== undefined) hashes.delete(oldest);
    },
    forget(staging) {
      hashes.delete(staging);
    },
  };
}
