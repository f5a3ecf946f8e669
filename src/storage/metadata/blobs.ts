import type { Kysely } from "kysely";
import type { BlobId, BlobName, BlobRecord, BlobRecords } from "../../domain/registry/ports.ts";
import { backInStandard } from "./blob-places.ts";
import type { Flavour } from "./flavour.ts";
import { atOnce, behind, noteRemoval } from "./garbage.ts";
import { repositoryColumns, toRepository } from "./repositories.ts";
import type { Schema } from "./schema.ts";

const blobColumns = ["digest", "key_scope", "generation", "size_bytes", "quarantined_at"] as const;

function toBlobRecord(
  row: Pick<Schema["blob"], "digest" | "key_scope" | "size_bytes" | "quarantined_at"> & BlobId,
): BlobRecord {
  return {
    digest: row.digest,
    scope: row.key_scope,
    generation: row.generation,
    sizeBytes: row.size_bytes,
    quarantinedAt: row.quarantined_at === null ? undefined : new Date(row.quarantined_at),
  };
}

export function blobs(db: Kysely<Schema>, flavour: Flavour): BlobRecords {
  const byDigest = (after?: BlobName) =>
    db.selectFrom("blob").select(blobColumns).where(behind(after)).orderBy("digest").orderBy("key_scope");
  const copy = ({ digest, generation }: BlobId) =>
    db.updateTable("blob").where("digest", "=", digest).where("generation", "=", generation);

  const find = ({ digest, scope }: BlobName) =>
    db.selectFrom("blob").select(blobColumns).where("digest", "=", digest).where("key_scope", "=", scope);

  return {
    async find(name) {
      const row = await find(name).executeTakeFirst();
      return row && toBlobRecord(row);
    },

    async list({ after, limit }) {
      return (await byDigest(after).limit(limit).execute()).map(toBlobRecord);
    },

    async quarantined({ after, limit }) {
      const rows = await byDigest(after).where("quarantined_at", "is not", null).limit(limit).execute();
      return rows.map(toBlobRecord);
    },

    async holders({ digest, scope }, limit) {
      const rows = await db
        .selectFrom("layer_link")
        .innerJoin("repository", "repository.id", "layer_link.repository_id")
        .select(repositoryColumns)
        .where("layer_link.digest", "=", digest)
        .where("layer_link.key_scope", "=", scope)
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
      const damaged = await find(blob).where("quarantined_at", "is not", null).executeTakeFirst();
      if (!damaged || damaged.generation === blob.generation) return false;
      const healed = await copy(damaged)
        .set({ generation: blob.generation, size_bytes: blob.sizeBytes, quarantined_at: null, ...backInStandard })
        .where("quarantined_at", "is not", null)
        .returning("digest")
        .execute();
      if (healed.length === 0) return false;
      await noteRemoval(db, flavour, { ...toBlobRecord(damaged), ...atOnce });
      return true;
    },

    async replace(old, { scope, generation, sizeBytes }, removeAt) {
      if (old.generation === generation) return false;
      const replaced = await copy(old)
        .set({ generation, ...backInStandard })
        .where("key_scope", "=", scope)
        .where("quarantined_at", "is", null)
        .returning("digest")
        .execute();
      if (replaced.length === 0) return false;
      await noteRemoval(db, flavour, { ...old, sizeBytes, dueAt: removeAt.getTime() });
      return true;
    },

    async strays(blobs) {
      if (blobs.length === 0) return [];
      const digests = [...new Set(blobs.map(({ digest }) => digest))];
      const rows = await db.selectFrom("blob").select(blobColumns).where(flavour.among("digest", digests)).execute();
      const going = await db
        .selectFrom("blob_removal")
        .select(["digest", "generation"])
        .where(flavour.among("digest", digests))
        .execute();
      const records = Map.groupBy(rows.map(toBlobRecord), ({ digest }) => digest);
      const removals = Map.groupBy(going, ({ digest }) => digest);
      return blobs.filter(
        ({ digest, generation }) =>
          (records.get(digest) ?? []).every((record) => record.generation !== generation && !record.quarantinedAt) &&
          (removals.get(digest) ?? []).every((removal) => removal.generation !== generation),
      );
    },
  };
}
