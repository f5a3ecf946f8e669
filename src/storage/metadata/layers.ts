import type { ExpressionBuilder, JoinBuilder, Kysely } from "kysely";
import type { Digest, Registry } from "../../domain/names.ts";
import { scopeOf } from "../../domain/registry/encryption.ts";
import type { BlobName, Generation, LayerLink, LayerLinks, StoredBlob } from "../../domain/registry/ports.ts";
import { backInStandard } from "./blob-places.ts";
import type { Flavour, List } from "./flavour.ts";
import { atOnce, noteRemoval } from "./garbage.ts";
import { active, type StatusRank } from "./image-status.ts";
import { repositoryColumns, toRepository } from "./repositories.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

interface LayerRow {
  readonly digest: Digest;
  readonly generation: Generation;
  readonly size_bytes: number;
  readonly media_type: string | null;
  readonly image_status: StatusRank | null;
  readonly unreferenced_since: number | null;
  readonly quarantined_at: number | null;
  readonly in_archive: number;
}

function toLayerLink(row: LayerRow): LayerLink {
  return {
    digest: row.digest,
    generation: row.generation,
    sizeBytes: row.size_bytes,
    mediaType: row.media_type ?? undefined,
    // The reference from an image always has a media type, so its absence is the absence of a reference.
    inImage: row.media_type !== null,
    isInArchive: row.in_archive === 1,
    isArchived: row.image_status !== null && row.image_status !== active,
    unreferencedSince: row.unreferenced_since === null ? undefined : new Date(row.unreferenced_since),
    quarantined: row.quarantined_at !== null,
  };
}

/** What the image says that counts for a layer: the newest active one, else one that comes out of the archive, else any. */
function ofImage<Column extends "media_type" | "image_status">(column: Column) {
  return (layers: ExpressionBuilder<Schema, "layer_link">) =>
    layers
      .selectFrom("image_layer")
      .select(`image_layer.${column}` as const)
      .whereRef("image_layer.repository_id", "=", "layer_link.repository_id")
      .whereRef("image_layer.digest", "=", "layer_link.digest")
      .orderBy("image_layer.image_status", "desc")
      .orderBy("image_layer.image_id", "desc")
      .limit(1)
      .as(column);
}

function blobOfLink(blob: JoinBuilder<Schema, "layer_link" | "blob">) {
  return blob.onRef("blob.digest", "=", "layer_link.digest").onRef("blob.key_scope", "=", "layer_link.key_scope");
}

function selectLayers(db: Kysely<Schema>, repositoryId: number) {
  return db
    .selectFrom("layer_link")
    .innerJoin("blob", blobOfLink)
    .select(["layer_link.digest", "layer_link.unreferenced_since"])
    .select(["blob.generation", "blob.size_bytes", "blob.quarantined_at", "blob.in_archive"])
    .select([ofImage("media_type"), ofImage("image_status")])
    .where("layer_link.repository_id", "=", repositoryId);
}

const findLayer = statement((db, value: { repositoryId: number; digest: Digest }) =>
  selectLayers(db, value.repositoryId).where("layer_link.digest", "=", value.digest),
);

const findLayers = statement((db, value: { repositoryId: number; digests: List }, flavour) =>
  selectLayers(db, value.repositoryId).where(flavour.amongList("layer_link.digest", value.digests)),
);

/** Who has looked up where the old copy is begins to read it within moments. */
const removeAfterMs = 60 * 60_000;

type ScopedBlob = StoredBlob & BlobName;

const addBlob = statement((db, value: ScopedBlob) =>
  db
    .insertInto("blob")
    .values({
      digest: value.digest,
      key_scope: value.scope,
      generation: value.generation,
      size_bytes: value.sizeBytes,
    })
    .onConflict((conflict) => conflict.columns(["digest", "key_scope"]).doNothing())
    .returning("digest"),
);

/** Locked, so that the row is still there when the link is added. */
const findBlob = statement((db, value: BlobName, flavour) =>
  flavour.forKeyShare(
    db
      .selectFrom("blob")
      .select(["digest", "generation", "size_bytes", "quarantined_at", "unlinked_since", "in_archive"])
      .where("digest", "=", value.digest)
      .where("key_scope", "=", value.scope),
  ),
);

const replaceCopy = statement((db, value: ScopedBlob) =>
  db
    .updateTable("blob")
    .set({ generation: value.generation, size_bytes: value.sizeBytes })
    .set({ quarantined_at: null, unlinked_since: null, ...backInStandard })
    .where("digest", "=", value.digest)
    .where("key_scope", "=", value.scope),
);

const rescueBlob = statement((db, value: BlobName) =>
  db
    .updateTable("blob")
    .set({ unlinked_since: null })
    .where("digest", "=", value.digest)
    .where("key_scope", "=", value.scope),
);

const addLink = statement((db, value: BlobName & { repositoryId: number; at: number }) =>
  db
    .insertInto("layer_link")
    .values({
      repository_id: value.repositoryId,
      digest: value.digest,
      key_scope: value.scope,
      linked_at: value.at,
      unreferenced_since: value.at,
    })
    .onConflict((conflict) => conflict.columns(["repository_id", "digest"]).doNothing())
    .returning("digest"),
);

const touchLink = statement((db, value: { repositoryId: number; digest: Digest; at: number }) =>
  db
    .updateTable("layer_link")
    .set({ unreferenced_since: value.at })
    .where("repository_id", "=", value.repositoryId)
    .where("digest", "=", value.digest)
    .where("unreferenced_since", "is not", null),
);

const removeLink = statement((db, value: { repositoryId: number; digest: Digest }) =>
  db
    .deleteFrom("layer_link")
    .where("repository_id", "=", value.repositoryId)
    .where("digest", "=", value.digest)
    .returning(["digest", "key_scope"]),
);

/** Others may have links too: whoever collects looks. Of two ends, the later one counts. */
const queueBlob = statement((db, value: BlobName & { at: number }) =>
  db
    .updateTable("blob")
    .set({ unlinked_since: value.at })
    .where("digest", "=", value.digest)
    .where("key_scope", "=", value.scope)
    .where((blob) => blob.or([blob("unlinked_since", "is", null), blob("unlinked_since", "<", value.at)])),
);

const findHolders = statement((db, value: Registry & BlobName & { limit: number }) =>
  db
    .selectFrom("layer_link")
    .innerJoin("repository", "repository.id", "layer_link.repository_id")
    .innerJoin("blob", blobOfLink)
    .select(repositoryColumns)
    .select("blob.size_bytes")
    .where("layer_link.digest", "=", value.digest)
    .where("layer_link.key_scope", "=", value.scope)
    .where("blob.quarantined_at", "is", null)
    .where("repository.account", "=", value.account)
    .where("repository.region", "=", value.region)
    .orderBy("layer_link.linked_at")
    .orderBy("layer_link.repository_id")
    .limit(value.limit),
);

export function layers(db: Kysely<Schema>, flavour: Flavour): LayerLinks {
  /** The blob's row, made or found. Which copy counts from now on, and whether it took another's place. */
  async function keep(blob: ScopedBlob, at: number): Promise<{ generation: Generation; isHealed: boolean }> {
    const { digest, scope, generation } = blob;
    const added = await addBlob(db, flavour, blob);
    if (added.length > 0) return { generation, isHealed: false };
    const [known] = await findBlob(db, flavour, { digest, scope });
    // Collected by somebody else between the two statements: now there is nothing in the way.
    if (!known) return keep(blob, at);
    // Pushed again, what is damaged is sound, and what is in the archive's store is back.
    const isBetter = known.quarantined_at !== null || known.in_archive === 1;
    if (isBetter && known.generation !== generation) {
      const worse = { digest, generation: known.generation, sizeBytes: known.size_bytes };
      const dueAt = known.quarantined_at !== null ? atOnce.dueAt : at + removeAfterMs;
      await noteRemoval(db, flavour, { ...worse, dueAt });
      await replaceCopy(db, flavour, blob);
      return { generation, isHealed: true };
    }
    if (known.unlinked_since !== null) await rescueBlob(db, flavour, { digest, scope });
    return { generation: known.generation, isHealed: false };
  }

  return {
    async find(repositoryId, digest) {
      const [row] = await findLayer(db, flavour, { repositoryId, digest });
      return row && toLayerLink(row);
    },

    async findMany(repositoryId, digests) {
      if (digests.length === 0) return [];
      const rows = await findLayers(db, flavour, { repositoryId, digests: flavour.list(digests) });
      return rows.map(toLayerLink);
    },

    async link({ id: repositoryId, encryption }, blob, at) {
      const { digest } = blob;
      const scope = scopeOf(encryption);
      const { generation, isHealed } = await keep({ ...blob, scope }, at.getTime());
      const added = await addLink(db, flavour, { repositoryId, digest, scope, at: at.getTime() });
      if (added.length === 0) await touchLink(db, flavour, { repositoryId, digest, at: at.getTime() });
      return { isNew: added.length > 0 || isHealed, generation };
    },

    async touch(repositoryId, digests, at) {
      for (const digest of digests) await touchLink(db, flavour, { repositoryId, digest, at: at.getTime() });
    },

    async unlink(repositoryId, digest, at) {
      const [removed] = await removeLink(db, flavour, { repositoryId, digest });
      if (removed) await queueBlob(db, flavour, { digest, scope: removed.key_scope, at: at.getTime() });
      return removed !== undefined;
    },

    async holders(registry, digest, scope, limit) {
      const rows = await findHolders(db, flavour, { ...registry, digest, scope, limit });
      return rows.map((row) => ({ repository: toRepository(row), sizeBytes: row.size_bytes }));
    },
  };
}
