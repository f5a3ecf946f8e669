import type { ExpressionBuilder, Kysely } from "kysely";
import type { Digest, Registry } from "../../domain/names.ts";
import type { LayerLink, LayerLinks } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { repositoryColumns, toRepository } from "./repositories.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

interface LayerRow {
  readonly digest: Digest;
  readonly size_bytes: number;
  readonly media_type: string | null;
}

function toLayerLink({ digest, size_bytes, media_type }: LayerRow): LayerLink {
  // The reference from an image always has a media type, so its absence is the absence of a reference.
  return { digest, sizeBytes: size_bytes, mediaType: media_type ?? undefined, inImage: media_type !== null };
}

/** What the newest image that refers to the layer calls it. */
function newestMediaType(layers: ExpressionBuilder<Schema, "layer_link">) {
  return layers
    .selectFrom("image_layer")
    .select("image_layer.media_type")
    .whereRef("image_layer.repository_id", "=", "layer_link.repository_id")
    .whereRef("image_layer.digest", "=", "layer_link.digest")
    .orderBy("image_layer.image_id", "desc")
    .limit(1)
    .as("media_type");
}

function selectLayers(db: Kysely<Schema>, repositoryId: number) {
  return db
    .selectFrom("layer_link")
    .innerJoin("blob", "blob.digest", "layer_link.digest")
    .select(["layer_link.digest", "blob.size_bytes"])
    .select(newestMediaType)
    .where("layer_link.repository_id", "=", repositoryId);
}

const findLayer = statement((db, value: { repositoryId: number; digest: Digest }) =>
  selectLayers(db, value.repositoryId).where("layer_link.digest", "=", value.digest),
);

const addBlob = statement((db, value: { digest: Digest; sizeBytes: number }) =>
  db
    .insertInto("blob")
    .values({ digest: value.digest, size_bytes: value.sizeBytes })
    .onConflict((conflict) => conflict.column("digest").doNothing()),
);

const addLink = statement((db, value: { repositoryId: number; digest: Digest; linkedAt: number }) =>
  db
    .insertInto("layer_link")
    .values({ repository_id: value.repositoryId, digest: value.digest, linked_at: value.linkedAt })
    .onConflict((conflict) => conflict.columns(["repository_id", "digest"]).doNothing())
    .returning("digest"),
);

const removeLink = statement((db, value: { repositoryId: number; digest: Digest }) =>
  db
    .deleteFrom("layer_link")
    .where("repository_id", "=", value.repositoryId)
    .where("digest", "=", value.digest)
    .returning("digest"),
);

const findHolders = statement((db, value: Registry & { digest: Digest; limit: number }) =>
  db
    .selectFrom("layer_link")
    .innerJoin("repository", "repository.id", "layer_link.repository_id")
    .innerJoin("blob", "blob.digest", "layer_link.digest")
    .select(repositoryColumns)
    .select("blob.size_bytes")
    .where("layer_link.digest", "=", value.digest)
    .where("repository.account", "=", value.account)
    .where("repository.region", "=", value.region)
    .orderBy("layer_link.linked_at")
    .orderBy("layer_link.repository_id")
    .limit(value.limit),
);

export function layers(db: Kysely<Schema>, flavour: Flavour): LayerLinks {
  return {
    async find(repositoryId, digest) {
      const [row] = await findLayer(db, flavour, { repositoryId, digest });
      return row && toLayerLink(row);
    },

    async findMany(repositoryId, digests) {
      if (digests.length === 0) return [];
      const rows = await selectLayers(db, repositoryId).where(flavour.among("layer_link.digest", digests)).execute();
      return rows.map(toLayerLink);
    },

    async link(repositoryId, { digest, sizeBytes }, at) {
      await addBlob(db, flavour, { digest, sizeBytes });
      const added = await addLink(db, flavour, { repositoryId, digest, linkedAt: at.getTime() });
      return added.length > 0;
    },

    async unlink(repositoryId, digest) {
      const removed = await removeLink(db, flavour, { repositoryId, digest });
      return removed.length > 0;
    },

    async holders(registry, digest, limit) {
      const rows = await findHolders(db, flavour, { ...registry, digest, limit });
      return rows.map((row) => ({ repository: toRepository(row), sizeBytes: row.size_bytes }));
    },
  };
}
