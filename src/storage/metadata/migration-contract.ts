import { describe, expect, test } from "bun:test";
import { type Kysely, sql } from "kysely";
import type { Digest } from "../../domain/names.ts";
import { scopeOf, serverScope } from "../../domain/registry/encryption.ts";
import type { Encryption, Generation } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { active } from "./image-status.ts";
import { migrate } from "./migrations.ts";
import { nouns } from "./nouns.ts";
import { deletedAccount } from "./repositories.ts";
import type { Schema } from "./schema.ts";

export interface EmptyDatabase {
  readonly db: Kysely<Schema>;
  readonly flavour: Flavour;
  close(): Promise<void>;
}

type Row = Record<string, unknown>;

const at = (seconds: number) => Date.UTC(2026, 0, 1) + seconds * 1000;
const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest;
/** More than one page of anything. */
const blobCount = 40;

/** The tables of the registry that a database of before has, and what makes their rows come in one order. */
const tables = {
  repository: "id",
  resource_tag: "repository_id, key",
  blob: "digest",
  layer_link: "repository_id, digest",
  blob_removal: "digest, generation",
  upload: "id",
  image: "id",
  image_manifest: "image_id",
  image_layer: "repository_id, digest, image_id",
  image_child: "repository_id, child, image_id",
  tag: "repository_id, tag",
  tag_move: "id",
};

/** What a database that has content promises when a newer Berth opens it. */
export function migrationContract(name: string, open: () => Promise<EmptyDatabase>): void {
  async function withDatabase(work: (database: EmptyDatabase) => Promise<void>): Promise<void> {
    const database = await open();
    try {
      await work(database);
    } finally {
      await database.close();
    }
  }

  async function insert({ db }: EmptyDatabase, table: string, rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      await db
        .insertInto(table as "blob")
        .values(row as never)
        .execute();
    }
  }

  async function contentOf({ db }: EmptyDatabase): Promise<Record<string, Row[]>> {
    const content: Record<string, Row[]> = {};
    for (const [table, order] of Object.entries(tables)) {
      const found = await sql<Row>`select * from ${sql.table(table)} order by ${sql.raw(order)}`.execute(db);
      content[table] = found.rows.map((row) => ({ ...row }));
    }
    return content;
  }

  /** Repositories 1 and 2 share blobs; 3 is deleted and has content; of the blobs some are of no use any more. */
  async function fill(database: EmptyDatabase): Promise<void> {
    const facts = { region: "eu-west-1", tag_mutability: "MUTABLE", exclusion_filters: "[]", scan_on_push: 0 };
    const ids = [1, 2, 3];
    await insert(
      database,
      "repository",
      ids.map((id) => ({
        ...facts,
        account: id === 3 ? deletedAccount : "000000000001",
        name: `app${id}`,
        created_at: at(id),
      })),
    );
    await insert(database, "resource_tag", [{ repository_id: 1, key: "snow", value: "☃" }]);
    const numbers = Array.from({ length: blobCount }, (_, index) => index + 1);
    await insert(
      database,
      "blob",
      numbers.map((number) => ({
        digest: digest(number),
        size_bytes: 2 ** 40 + number,
        // Every third is of before there were generations.
        generation: number % 3 === 0 ? "" : `generation ${number}`,
        quarantined_at: number % 7 === 0 ? at(number) : null,
        unlinked_since: number % 10 === 0 ? at(number) : null,
      })),
    );
    const links = ids.flatMap((id) =>
      numbers.filter((number) => number % 10 !== 0 && number % id === 0).map((number) => ({ id, number })),
    );
    await insert(
      database,
      "layer_link",
      links.map(({ id, number }) => ({
        repository_id: id,
        digest: digest(number),
        linked_at: at(number),
        unreferenced_since: number % 4 === 0 ? at(number) : null,
      })),
    );
    await insert(database, "blob_removal", [
      { digest: digest(900), generation: "", size_bytes: 1 },
      { digest: digest(1), generation: "gone", size_bytes: 2 },
    ]);
    const images = ids.map((id) => ({ id, image: digest(1000 + id) }));
    const numbersOfImage = { manifest_bytes: 3, image_bytes: 2 ** 41, pushed_at: at(9), tag_count: 1 };
    await insert(
      database,
      "image",
      images.map(({ id, image }) => ({ repository_id: id, digest: image, media_type: "type", ...numbersOfImage })),
    );
    await insert(
      database,
      "image_manifest",
      ids.map((id) => ({ image_id: id, bytes: Uint8Array.of(0, 255, id) })),
    );
    await insert(
      database,
      "image_layer",
      links
        .filter(({ number }) => number % 4 !== 0)
        .map(({ id, number }) => ({
          image_id: id,
          repository_id: id,
          digest: digest(number),
          media_type: `layer ${number}`,
        })),
    );
    await insert(
      database,
      "tag",
      ids.map((id) => ({ repository_id: id, tag: "v1", image_id: id, moved_at: at(id) })),
    );
    await insert(database, "tag_move", [
      { repository_id: 1, tag: "v1", from_digest: null, to_digest: digest(1001), moved_at: at(1), moved_by: "arn" },
    ]);
    const upload = { owner_account: "000000000001", owner_arn: "arn", algorithm: "sha256", staged_bytes: 7 };
    const owner = { owner_id: "AIDA", parts: 1, last_part_bytes: 7, created_at: at(1), updated_at: at(2) };
    await insert(database, "upload", [{ id: "u", repository_id: 1, staging: "s", ...upload, ...owner }]);
  }

  describe(`a database of before in ${name}`, () => {
    test("without keys of repositories keeps every row, under the server's own key", () =>
      withDatabase(async (database) => {
        const { db, flavour } = database;
        await migrate(db, flavour, "0006_keys");
        await fill(database);
        const before = await contentOf(database);
        await migrate(db, flavour);
        const after = await contentOf(database);
        const added: Record<string, Row> = {
          repository: { encryption_type: "AES256", kms_key: null, kms_grants: null },
          blob: { key_scope: serverScope, in_archive: 0, misplaced_since: null },
          image: { status: active, last_archived_at: null, last_activated_at: null },
          image_layer: { image_status: active },
          tag: { image_status: active },
          layer_link: { key_scope: serverScope },
          blob_removal: { due_at: 0 },
        };
        for (const table of Object.keys(tables)) {
          expect(before[table]?.length).toBeGreaterThan(table === "image_child" ? -1 : 0);
          const expected = before[table]?.map((row) => expect.objectContaining({ ...row, ...added[table] }));
          expect({ [table]: after[table] }).toEqual({ [table]: expected as never });
        }
        // Nothing is left of how it was done.
        const names = (await db.introspection.getTables()).map((table) => table.name);
        expect(names.filter((table) => /^(?:scoped|ranked)/.test(table))).toEqual([]);
        // And a second opening has nothing to do.
        await migrate(db, flavour);
        expect(await contentOf(database)).toEqual(after);
      }));

    test("is worked on as any other", () =>
      withDatabase(async (database) => {
        const { db, flavour } = database;
        await migrate(db, flavour, "0006_keys");
        await fill(database);
        await migrate(db, flavour);
        const { layers, blobs, garbage, inspection } = nouns(db, flavour);
        const keyed: Encryption = { type: "KMS", key: "arn:aws:kms:eu-west-1:000000000001:key/a" as never, grants: [] };

        // What has no generation is read, shared and collected as it is.
        const old = { digest: digest(3), generation: "" as Generation, sizeBytes: 2 ** 40 + 3 };
        expect(await layers.find(1, old.digest)).toMatchObject({ ...old, inImage: true, quarantined: false });
        expect(await layers.link({ id: 2, encryption: { type: "AES256" } }, old, new Date(at(50)))).toEqual({
          isNew: true,
          generation: old.generation,
        });
        expect(await layers.find(1, digest(7))).toMatchObject({ quarantined: true, mediaType: "layer 7" });
        expect(await blobs.quarantined({ limit: 99 })).toHaveLength(5);
        expect((await garbage.blobs(new Date(at(99)), 99)).map((blob) => blob.digest)).toEqual(
          [10, 20, 30, 40].map(digest),
        );
        const due = (await garbage.blobs(new Date(at(99)), 99))[2];
        expect(due?.generation).toBe("" as Generation);
        expect(due && (await garbage.forget(due, new Date(at(99))))).toBe(true);
        expect((await garbage.removals({ limit: 9 })).map((blob) => blob.digest)).toEqual([1, 30, 900].map(digest));
        expect(
          (await inspection.dependents({ digest: digest(6), scope: serverScope }, 9)).map(({ repository, image }) => [
            repository.id,
            image?.id,
          ]),
        ).toEqual([
          [1, 1],
          [2, 2],
        ]);

        // A key of its own makes another blob of the same content.
        const sealed = { digest: digest(3), generation: "sealed" as Generation, sizeBytes: old.sizeBytes };
        await db
          .updateTable("repository")
          .set({ encryption_type: "KMS", kms_key: keyed.key, kms_grants: "[]" })
          .where("id", "=", 3)
          .execute();
        await db.deleteFrom("image_layer").where("repository_id", "=", 3).execute();
        await db.deleteFrom("layer_link").where("repository_id", "=", 3).execute();
        expect(await layers.link({ id: 3, encryption: keyed }, sealed, new Date(at(50)))).toEqual({
          isNew: true,
          generation: sealed.generation,
        });
        expect((await blobs.list({ limit: 99 })).filter((blob) => blob.digest === old.digest)).toMatchObject([
          { ...old, scope: serverScope },
          { ...sealed, scope: scopeOf(keyed) },
        ]);

        // And what refers to something keeps it there.
        for (const broken of [
          db.deleteFrom("layer_link").where("repository_id", "=", 1).where("digest", "=", digest(3)),
          db.deleteFrom("blob").where("digest", "=", digest(3)).where("key_scope", "=", serverScope),
          db
            .updateTable("layer_link")
            .set({ key_scope: scopeOf(keyed) })
            .where("digest", "=", digest(6)),
          db.deleteFrom("image").where("id", "=", 1),
          db.insertInto("image_layer").values({ image_id: 1, repository_id: 1, digest: digest(999), media_type: "" }),
        ]) {
          await expect(broken.execute()).rejects.toThrow();
        }
      }));
  });
}
