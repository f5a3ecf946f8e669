import type { Kysely } from "kysely";
import type { Digest } from "../../domain/names.ts";
import type { BlobId, BlobRecord, BlobRecords } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { noteRemoval } from "./garbage.ts";
import { repositoryColumns, toRepository } from "./repositories.ts";
import type { Schema } from "./schema.ts";

const blobColumns = ["digest", "generation", "size_bytes", "quarantined_at"] as const;

function toBlobRecord(row: Pick<Schema["blob"], "digest" | "size_bytes" | "quarantined_at"> & BlobId): BlobRecord {
  return {
    digest: row.digest,
    generation: row.generation,
    sizeBytes: row.size_bytes,
    quarantinedAt: row.quarantined_at === null ? undefined : new Date(row.quarantined_at),
  };
}

export function blobs(db: Kysely<Schema>, flavour: Flavour): BlobRecords {
  const byDigest = (after = "" as Digest) =>
    db.selectFrom("blob").select(blobColumns).where("digest", ">", after).orderBy("digest");
  const copy = ({ digest, generation }: BlobId) =>
    db.updateTable("blob").where("digest", "=", digest).where("generation", "=", generation);

  const find = (digest: Digest) => db.selectFrom("blob").select(blobColumns).where("digest", "=", digest);

  return {
    async find(digest) {
      const row = await find(digest).executeTakeFirst();
      return row && toBlobRecord(row);
    },

    async list({ after, limit }) {
      return (await byDigest(after).limit(limit).execute()).map(toBlobRecord);
    },

    async quarantined({ after, limit }) {
      const rows = await byDigest(after).where("quarantined_at", "is not", null).limit(limit).execute();
      return rows.map(toBlobRecord);
    },

    async holders(digest, limit) {
      const rows = await db
        .selectFrom("layer_link")
        .innerJoin("repository", "repository.id", "layer_link.repository_id")
        .select(repositoryColumns)
        .where("layer_link.digest", "=", digest)
        .orderBy("layer_link.linked_at")
        .orderBy("layer_link.repository_id")
        .limit(limit)
        .execute();
      return rows.map(toRepository);
    },

    async quarantine(blob, at) {
      const changed = await copy(blob)
        .set({ quarantined_at: at.getTime() })
        .where("quarantined_at", "is", null)
        .returning("digest")
        .execute();
      return changed.length > 0;
    },

    async acquit(blob) {
      const changed = await copy(blob)
        .set({ quarantined_at: null })
        .where("quarantined_at", "is not", null)
        .returning("digest")
        .execute();
      return changed.length > 0;
    },

    async heal(blob) {
      const damaged = await find(blob.digest).where("quarantined_at", "is not", null).executeTakeFirst();
      if (!damaged || damaged.generation === blob.generation) return false;
      const healed = await copy(damaged)
        .set({ generation: blob.generation, size_bytes: blob.sizeBytes, quarantined_at: null })
        .where("quarantined_at", "is not", null)
        .returning("digest")
        .execute();
      if (healed.length === 0) return false;
      await noteRemoval(db, flavour, toBlobRecord(damaged));
      return true;
    },

    async strays(blobs) {
      if (blobs.length === 0) return [];
      const digests = [...new Set(blobs.map(({ digest }) => digest))];
      const rows = await db.selectFrom("blob").select(blobColumns).where(flavour.among("digest", digests)).execute();
      const records = new Map(rows.map((row) => [row.digest, toBlobRecord(row)]));
      return blobs.filter(({ digest, generation }) => {
        const record = records.get(digest);
        return !record || (record.generation !== generation && !record.quarantinedAt);
      });
    },
  };
}
