import { type Kysely, type Selectable, sql } from "kysely";
import type { Digest, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import type { Images, NewImage, StoredManifest } from "../../domain/registry/ports.ts";
import { chunked } from "./batches.ts";
import type { Flavour, List } from "./flavour.ts";
import { imageLists } from "./image-lists.ts";
import { type ImageRow, imageColumns, toImage } from "./image-rows.ts";
import { imageStates } from "./image-states.ts";
import { active } from "./image-status.ts";
import { toEncryption } from "./repositories.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const preparedRows = 16;

const findImage = statement((db, value: { repositoryId: number; digest: Digest }) =>
  db
    .selectFrom("image")
    .select(imageColumns)
    .where("repository_id", "=", value.repositoryId)
    .where("digest", "=", value.digest),
);

const lockImage = statement((db, value: { repositoryId: number; digest: Digest }, flavour) =>
  flavour.forUpdate(
    db
      .selectFrom("image")
      .select(imageColumns)
      .where("repository_id", "=", value.repositoryId)
      .where("digest", "=", value.digest),
  ),
);

const manifestColumns = ["image.id", "image.digest", "image.media_type", "image_manifest.bytes"] as const;

const findManifestByDigest = statement((db, value: { repositoryId: number; digest: Digest }) =>
  db
    .selectFrom("image")
    .innerJoin("image_manifest", "image_manifest.image_id", "image.id")
    .select(manifestColumns)
    .where("image.repository_id", "=", value.repositoryId)
    .where("image.digest", "=", value.digest),
);

const findManifestByTag = statement((db, value: { repositoryId: number; tag: Tag }) =>
  db
    .selectFrom("tag")
    .innerJoin("image", "image.id", "tag.image_id")
    .innerJoin("image_manifest", "image_manifest.image_id", "image.id")
    .select(manifestColumns)
    .where("tag.repository_id", "=", value.repositoryId)
    .where("tag.tag", "=", value.tag),
);

const locatedColumns = [
  "repository.id as repository_id",
  "repository.encryption_type",
  "repository.kms_key",
  "repository.kms_grants",
  "image.id as image_id",
  "image.digest",
  "image.media_type",
] as const;

const locateByDigest = statement((db, value: Registry & { name: RepositoryName; digest: Digest }) =>
  db
    .selectFrom("repository")
    .leftJoin("image", (join) =>
      join
        .onRef("image.repository_id", "=", "repository.id")
        .on("image.digest", "=", value.digest)
        .on("image.status", "=", active),
    )
    .select(locatedColumns)
    .where("repository.account", "=", value.account)
    .where("repository.region", "=", value.region)
    .where("repository.name", "=", value.name),
);

const locateByTag = statement((db, value: Registry & { name: RepositoryName; tag: Tag }) =>
  db
    .selectFrom("repository")
    .leftJoin("tag", (join) => join.onRef("tag.repository_id", "=", "repository.id").on("tag.tag", "=", value.tag))
    .leftJoin("image", (join) => join.onRef("image.id", "=", "tag.image_id").on("image.status", "=", active))
    .select(locatedColumns)
    .where("repository.account", "=", value.account)
    .where("repository.region", "=", value.region)
    .where("repository.name", "=", value.name),
);

type NewImageRow = Omit<
  ImageRow,
  "id" | "last_pulled_at" | "tag_count" | "status" | "last_archived_at" | "last_activated_at" | "scan" | "signings"
>;

const addImage = statement((db, value: NewImageRow) =>
  db
    .insertInto("image")
    .values({
      repository_id: value.repository_id,
      digest: value.digest,
      media_type: value.media_type,
      artifact_type: value.artifact_type,
      manifest_bytes: value.manifest_bytes,
      image_bytes: value.image_bytes,
      subject: value.subject,
      annotations: value.annotations,
      pushed_at: value.pushed_at,
    })
    .onConflict((conflict) => conflict.columns(["repository_id", "digest"]).doNothing())
    .returning("id"),
);

const addManifest = statement((db, value: { imageId: number; bytes: Uint8Array }) =>
  db.insertInto("image_manifest").values({ image_id: value.imageId, bytes: value.bytes }),
);

/** The layers of an image that came: nobody collects them now. */
const rescueLayers = statement((db, value: { repositoryId: number; digests: List }, flavour) =>
  db
    .updateTable("layer_link")
    .set({ unreferenced_since: null })
    .where("repository_id", "=", value.repositoryId)
    .where(flavour.amongList("digest", value.digests))
    .where("unreferenced_since", "is not", null),
);

const addLayer = statement((db, value: Omit<Selectable<Schema["image_layer"]>, "image_status">) =>
  db.insertInto("image_layer").values({
    image_id: value.image_id,
    repository_id: value.repository_id,
    digest: value.digest,
    media_type: value.media_type,
  }),
);

/** The layers of an image that goes. Other images may refer to them too: whoever collects looks. */
/** Also those that somebody pushed while the image awaited them: nobody else would look at them again. */
const queueLayersOfImage = statement((db, value: { repositoryId: number; id: number; at: number }) =>
  db
    .updateTable("layer_link")
    .set({ unreferenced_since: value.at })
    .where("repository_id", "=", value.repositoryId)
    .where("digest", "in", ({ selectFrom }) =>
      selectFrom("image_layer")
        .select("image_layer.digest")
        .where("image_id", "=", value.id)
        .unionAll(selectFrom("awaited_content").select("awaited_content.digest").where("image_id", "=", value.id)),
    ),
);

const removeTagsOfImage = statement((db, value: { id: number }) =>
  db.deleteFrom("tag").where("image_id", "=", value.id),
);
const removeChildrenOfImage = statement((db, value: { id: number }) =>
  db.deleteFrom("image_child").where("image_id", "=", value.id),
);
const removeLayersOfImage = statement((db, value: { id: number }) =>
  db.deleteFrom("image_layer").where("image_id", "=", value.id),
);
const removeManifest = statement((db, value: { id: number }) =>
  db.deleteFrom("image_manifest").where("image_id", "=", value.id),
);
const removeImage = statement((db, value: { id: number }) => db.deleteFrom("image").where("id", "=", value.id));

const findParents = statement((db, value: { repositoryId: number; child: Digest; limit: number }) =>
  db
    .selectFrom("image_child")
    .innerJoin("image", "image.id", "image_child.image_id")
    .select("image.digest")
    .where("image_child.repository_id", "=", value.repositoryId)
    .where("image_child.child", "=", value.child)
    .orderBy("image_child.image_id")
    .limit(value.limit),
);

const countImages = statement((db, value: { repositoryId: number }) =>
  db
    .selectFrom("image")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("repository_id", "=", value.repositoryId),
);

const findAnyImage = statement((db, value: { repositoryId: number }) =>
  db.selectFrom("image").select("id").where("repository_id", "=", value.repositoryId).limit(1),
);

async function addLayers(
  db: Kysely<Schema>,
  flavour: Flavour,
  imageId: number,
  { repositoryId, layers }: NewImage,
): Promise<void> {
  // A manifest may list a layer twice; what it calls the layer first is kept.
  const mediaTypes = new Map<Digest, string>();
  for (const { digest, mediaType } of layers) {
    if (!mediaTypes.has(digest)) mediaTypes.set(digest, mediaType);
  }
  const rows = [...mediaTypes].map(([digest, media_type]) => ({
    image_id: imageId,
    repository_id: repositoryId,
    digest,
    media_type,
  }));
  // Each statement of another number of rows would have to be compiled; images of many layers are rare.
  if (rows.length <= preparedRows) for (const row of rows) await addLayer(db, flavour, row);
  else for (const chunk of chunked(rows)) await db.insertInto("image_layer").values(chunk).execute();
  if (rows.length === 0) return;
  await rescueLayers(db, flavour, { repositoryId, digests: flavour.list([...mediaTypes.keys()]) });
}

async function addChildren(db: Kysely<Schema>, imageId: number, { repositoryId, children }: NewImage): Promise<void> {
  for (const chunk of chunked([...new Set(children)])) {
    await db
      .insertInto("image_child")
      .values(chunk.map((child) => ({ image_id: imageId, repository_id: repositoryId, child })))
      .execute();
  }
}

async function addAwaited(
  db: Kysely<Schema>,
  imageId: number,
  { repositoryId, awaited = [] }: NewImage,
): Promise<void> {
  for (const chunk of chunked(awaited)) {
    const rows = chunk.map(({ digest, mediaType, sizeBytes }) => ({
      image_id: imageId,
      repository_id: repositoryId,
      digest,
      media_type: mediaType ?? null,
      size_bytes: sizeBytes,
    }));
    await db.insertInto("awaited_content").values(rows).execute();
  }
}

export function images(db: Kysely<Schema>, flavour: Flavour): Images {
  const nouns: Images = {
    ...imageLists(db, flavour),
    ...imageStates(db, flavour),

    async find(repositoryId, digest) {
      const [row] = await findImage(db, flavour, { repositoryId, digest });
      return row && toImage(row);
    },

    async findMany(repositoryId, digests) {
      if (digests.length === 0) return [];
      const rows = await db
        .selectFrom("image")
        .select(imageColumns)
        .where("repository_id", "=", repositoryId)
        .where(flavour.among("digest", digests))
        .execute();
      return rows.map(toImage);
    },

    async keepMany(repositoryId, digests) {
      if (digests.length === 0) return [];
      const query = db
        .selectFrom("image")
        .select(imageColumns)
        .where("repository_id", "=", repositoryId)
        .where(flavour.among("digest", digests))
        // In one order everywhere, so that two who keep the same ones never wait for each other.
        .orderBy("digest");
      return (await flavour.forShare(query).execute()).map(toImage);
    },

    async lock(repositoryId, digest) {
      const [row] = await lockImage(db, flavour, { repositoryId, digest });
      return row && toImage(row);
    },

    async manifest(repositoryId, reference): Promise<StoredManifest | undefined> {
      const [row] =
        "tag" in reference
          ? await findManifestByTag(db, flavour, { repositoryId, tag: reference.tag })
          : await findManifestByDigest(db, flavour, { repositoryId, digest: reference.digest });
      return row && { imageId: row.id, digest: row.digest, mediaType: row.media_type, manifest: row.bytes };
    },

    async locate(registry, name, reference) {
      const [row] =
        "tag" in reference
          ? await locateByTag(db, flavour, { ...registry, name, tag: reference.tag })
          : await locateByDigest(db, flavour, { ...registry, name, digest: reference.digest });
      if (!row) return undefined;
      const { repository_id: repositoryId, image_id: imageId, digest, media_type: mediaType } = row;
      const encryption = toEncryption(row);
      if (imageId === null || digest === null || mediaType === null) return { repositoryId, encryption };
      return { repositoryId, encryption, image: { imageId, digest, mediaType } };
    },

    async put(image) {
      const { repositoryId, digest } = image;
      const [added] = await addImage(db, flavour, {
        repository_id: repositoryId,
        digest,
        media_type: image.mediaType,
        artifact_type: image.artifactType ?? null,
        manifest_bytes: image.manifestBytes,
        image_bytes: image.imageBytes,
        subject: image.subject ?? null,
        annotations: image.annotations === undefined ? null : JSON.stringify(image.annotations),
        pushed_at: image.pushedAt.getTime(),
      });
      if (added === undefined) {
        const present = await nouns.lock(repositoryId, digest);
        // Deleted by somebody else between the two statements: now there is nothing in the way.
        return present === undefined ? nouns.put(image) : { id: present.id, created: false, status: present.status };
      }
      await addManifest(db, flavour, { imageId: added.id, bytes: image.manifest });
      await addLayers(db, flavour, added.id, image);
      await addChildren(db, added.id, image);
      if (image.awaited?.length) await addAwaited(db, added.id, image);
      return { id: added.id, created: true, status: "ACTIVE" };
    },

    async delete({ id, repositoryId }, at) {
      await queueLayersOfImage(db, flavour, { repositoryId, id, at: at.getTime() });
      await removeTagsOfImage(db, flavour, { id });
      await removeChildrenOfImage(db, flavour, { id });
      await removeLayersOfImage(db, flavour, { id });
      await removeManifest(db, flavour, { id });
      await removeImage(db, flavour, { id });
    },

    async parents(repositoryId, child, limit) {
      const rows = await findParents(db, flavour, { repositoryId, child, limit });
      return rows.map(({ digest }) => digest);
    },

    async count(repositoryId) {
      const [row] = await countImages(db, flavour, { repositoryId });
      return row?.count ?? 0;
    },

    async isEmpty(repositoryId) {
      const rows = await findAnyImage(db, flavour, { repositoryId });
      return rows.length === 0;
    },

    async pulled(times) {
      for (const chunk of chunked([...times].sort(([a], [b]) => a - b))) {
        const rows = chunk.map(([id, at]) => sql`(cast(${id} as bigint), cast(${at.getTime()} as bigint))`);
        await sql`
          update image set last_pulled_at = pulled.column2
          from (values ${sql.join(rows)}) as pulled
          where image.id = pulled.column1
            and (image.last_pulled_at is null or image.last_pulled_at < pulled.column2)`.execute(db);
      }
    },
  };
  return nouns;
}
