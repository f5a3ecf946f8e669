import { type Digest, type DigestAlgorithm, digestOf } from "../../domain/names.ts";
import type { StagingId } from "../../domain/registry/ports.ts";

interface RunningHash {
  readonly offset: number;
  readonly algorithm: DigestAlgorithm;
  readonly hasher: Bun.CryptoHasher;
}

/** The hashes of unfinished uploads, where this process has seen every byte. A hint: what is missing is read again. */
export interface RunningHashes {
  /**
   * The hash of the first `offset` bytes, if known. It is taken out: an append that fails must not leave it behind.
   * @param acknowledged what these bytes are known to hash to. A hash of others is of bytes that were never
   *   acknowledged, and the file may have different ones in their place by now.
   */
  take(
    staging: StagingId,
    offset: number,
    algorithm: DigestAlgorithm,
    acknowledged: Digest | undefined,
  ): Bun.CryptoHasher | undefined;
  keep(staging: StagingId, hash: RunningHash): void;
  forget(staging: StagingId): void;
}

export function createRunningHashes(limit: number): RunningHashes {
  // A map keeps the order of insertion, so its first key is the one kept longest ago.
  const hashes = new Map<StagingId, RunningHash>();
  return {
    take(staging, offset, algorithm, acknowledged) {
      const known = hashes.get(staging);
      hashes.delete(staging);
      if (offset === 0) return new Bun.CryptoHasher(algorithm);
      if (known?.offset !== offset || known.algorithm !== algorithm) return undefined;
      return digestOf(algorithm, known.hasher.copy().digest("hex")) === acknowledged ? known.hasher : undefined;
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
