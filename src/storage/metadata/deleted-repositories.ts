import type { Kysely, Selectable } from "kysely";
import type { DeletedRepositories, DeletedRepository } from "../../domain/registry/retention-ports.ts";
import type { Flavour } from "./flavour.ts";
import { deletedAccount, toEncryption, toEncryptionRow } from "./repositories.ts";
import type { DeletedRepositoryTable } from "./retention-tables.ts";
import type { Schema } from "./schema.ts";

const columns = [
  "deleted_repository.repository_id",
  "deleted_repository.account",
  "deleted_repository.region",
  "deleted_repository.name",
  "deleted_repository.deleted_at",
  "deleted_repository.deleted_by",
  "deleted_repository.kept_until",
  "repository.encryption_type",
  "repository.kms_key",
  "repository.kms_grants",
] as const;

type Row = Selectable<DeletedRepositoryTable> & Parameters<typeof toEncryption>[0];

function toDeletedRepository(row: Row): DeletedRepository {
  const { account, region } = row;
  return {
    id: row.repository_id,
    registry: { account, region },
    name: row.name,
    encryption: toEncryption(row),
    deletion: { at: new Date(row.deleted_at), by: row.deleted_by, until: new Date(row.kept_until) },
  };
}

export function deletedRepositories(db: Kysely<Schema>, flavour: Flavour): DeletedRepositories {
  const { among } = flavour;

  return {
    async list({ account, region }, { after = 0, limit }, at) {
      const rows = await db
        .selectFrom("deleted_repository")
        .innerJoin("repository", "repository.id", "deleted_repository.repository_id")
        .select(columns)
        .where("deleted_repository.account", "=", account)
        .where("deleted_repository.region", "=", region)
        .where("deleted_repository.repository_id", ">", after)
        .where("deleted_repository.kept_until", ">", at.getTime())
        .orderBy("deleted_repository.repository_id")
        .limit(limit)
        .execute();
      return rows.map(toDeletedRepository);
    },

    async lock({ account, region }, name, at) {
      const query = db
        .selectFrom("deleted_repository")
        .innerJoin("repository", "repository.id", "deleted_repository.repository_id")
        .select(columns)
        .where("deleted_repository.account", "=", account)
        .where("deleted_repository.region", "=", region)
        .where("deleted_repository.name", "=", name)
        .where("deleted_repository.kept_until", ">", at.getTime())
        .orderBy("deleted_repository.deleted_at", "desc")
        .orderBy("deleted_repository.repository_id", "desc")
        .limit(1);
      const row = await flavour.forUpdate(query).executeTakeFirst();
      return row && toDeletedRepository(row);
    },

    async restore({ id, registry, name, encryption }) {
      await db.deleteFrom("deleted_repository").where("repository_id", "=", id).execute();
      await db
        .updateTable("repository")
        .set({ ...registry, name, ...toEncryptionRow(encryption) })
        .where("id", "=", id)
        .execute();
    },

    async forget(at, limit) {
      const query = db
        .selectFrom("deleted_repository")
        .select("repository_id")
        .where("kept_until", "<=", at.getTime())
        .orderBy("kept_until")
        .orderBy("repository_id")
        .limit(limit);
      const over = (await flavour.forUpdate(query).execute()).map(({ repository_id }) => repository_id);
      if (over.length === 0) return 0;
      await db.deleteFrom("deleted_repository").where(among("repository_id", over)).execute();
      await db.updateTable("repository").set({ account: deletedAccount }).where(among("id", over)).execute();
      return over.length;
    },
  };
}
