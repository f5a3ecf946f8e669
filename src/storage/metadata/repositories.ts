import { type Kysely, sql } from "kysely";
import type { AccountId, Arn, Region, Registry, RepositoryName } from "../../domain/names.ts";
import type {
  Encryption,
  Repositories,
  Repository,
  RepositorySettings,
  TagMutability,
} from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";
import { fromMap, toMap } from "./string-map.ts";

/** No account has this id. A deleted repository goes there, and its name becomes free. */
export const deletedAccount = "" as AccountId;
/** Nor this one: a deleted repository is there as long as it can be brought back. */
export const keptAccount = "deleted" as AccountId;

/** Selected wherever a query yields repositories. */
export const repositoryColumns = [
  "repository.id",
  "repository.account",
  "repository.region",
  "repository.name",
  "repository.tag_mutability",
  "repository.exclusion_filters",
  "repository.scan_on_push",
  "repository.policy",
  "repository.policy_bindings",
  "repository.encryption_type",
  "repository.kms_key",
  "repository.kms_grants",
  "repository.created_at",
] as const;

interface RepositoryRow {
  readonly id: number;
  readonly account: AccountId;
  readonly region: Region;
  readonly name: RepositoryName;
  readonly tag_mutability: TagMutability;
  readonly exclusion_filters: string;
  readonly scan_on_push: number;
  readonly policy: string | null;
  readonly policy_bindings: string | null;
  readonly encryption_type: Encryption["type"];
  readonly kms_key: Arn | null;
  readonly kms_grants: string | null;
  readonly created_at: number;
}

export function toRepository(row: RepositoryRow): Repository {
  return {
    id: row.id,
    registry: { account: row.account, region: row.region },
    name: row.name,
    tagMutability: row.tag_mutability,
    exclusionFilters: JSON.parse(row.exclusion_filters) as string[],
    scanOnPush: row.scan_on_push === 1,
    policy: row.policy ?? undefined,
    policyBindings: row.policy_bindings === null ? undefined : toMap(row.policy_bindings),
    createdAt: new Date(row.created_at),
    encryption: toEncryption(row),
  };
}

type EncryptionRow = Pick<RepositoryRow, "encryption_type" | "kms_key" | "kms_grants">;

export function toEncryption({ encryption_type: type, kms_key: key, kms_grants: grants }: EncryptionRow): Encryption {
  if (type === "AES256") return { type };
  if (key === null) throw new Error("a repository whose type of encryption needs a key has none");
  return { type, key, grants: JSON.parse(grants ?? "[]") as string[] };
}

export function toEncryptionRow(encryption: Encryption) {
  if (encryption.type === "AES256") return { encryption_type: encryption.type };
  const { type, key, grants } = encryption;
  return { encryption_type: type, kms_key: key, kms_grants: JSON.stringify(grants) };
}

function toSettingsRow(settings: RepositorySettings) {
  return {
    tag_mutability: settings.tagMutability,
    exclusion_filters: JSON.stringify(settings.exclusionFilters),
    scan_on_push: settings.scanOnPush ? 1 : 0,
    policy: settings.policy ?? null,
    policy_bindings: settings.policyBindings ? fromMap(settings.policyBindings) : null,
  };
}

/** The columns of the settings that are there. */
function changesOf(settings: Partial<RepositorySettings>): Partial<ReturnType<typeof toSettingsRow>> {
  const row = toSettingsRow(settings as RepositorySettings);
  return {
    ...("tagMutability" in settings && { tag_mutability: row.tag_mutability }),
    ...("exclusionFilters" in settings && { exclusion_filters: row.exclusion_filters }),
    ...("scanOnPush" in settings && { scan_on_push: row.scan_on_push }),
    ...("policy" in settings && { policy: row.policy }),
    ...("policyBindings" in settings && { policy_bindings: row.policy_bindings }),
  };
}

/** Nobody asks for it: names have no account with it. */
const placeholder = sql<RepositoryName>`'deleted/' || id`;

const findByName = statement((db, value: Registry & { name: RepositoryName }) =>
  db
    .selectFrom("repository")
    .select(repositoryColumns)
    .where("account", "=", value.account)
    .where("region", "=", value.region)
    .where("name", "=", value.name),
);

const keepByName = statement((db, value: Registry & { name: RepositoryName }, flavour) =>
  flavour.forShare(
    db
      .selectFrom("repository")
      .select(repositoryColumns)
      .where("account", "=", value.account)
      .where("region", "=", value.region)
      .where("name", "=", value.name),
  ),
);

const listByName = statement((db, value: Registry & { after: string; limit: number }) =>
  db
    .selectFrom("repository")
    .select(repositoryColumns)
    .where("account", "=", value.account)
    .where("region", "=", value.region)
    .where("name", ">", value.after as RepositoryName)
    .orderBy("name")
    .limit(value.limit),
);

const tagsOf = statement((db, value: { id: number }) =>
  db.selectFrom("resource_tag").select(["key", "value"]).where("repository_id", "=", value.id).orderBy("key"),
);

export function repositories(db: Kysely<Schema>, flavour: Flavour): Repositories {
  const nouns: Repositories = {
    async find(registry, name) {
      const [row] = await findByName(db, flavour, { ...registry, name });
      return row && toRepository(row);
    },

    async keep(registry, name) {
      const [row] = await keepByName(db, flavour, { ...registry, name });
      return row && toRepository(row);
    },

    async list(registry, { after = "", limit }) {
      const rows = await listByName(db, flavour, { ...registry, after, limit });
      return rows.map(toRepository);
    },

    async create(repository, tags) {
      const row = await db
        .insertInto("repository")
        .values({
          account: repository.registry.account,
          region: repository.registry.region,
          name: repository.name,
          ...toSettingsRow(repository),
          ...toEncryptionRow(repository.encryption),
          created_at: repository.createdAt.getTime(),
        })
        .onConflict((conflict) => conflict.columns(["account", "region", "name"]).doNothing())
        .returning(repositoryColumns)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      await nouns.setResourceTags(row.id, tags);
      return toRepository(row);
    },

    async update(id, settings) {
      await db.updateTable("repository").set(changesOf(settings)).where("id", "=", id).execute();
    },

    async delete(id) {
      // Waits for whoever is adding to the repository; afterwards nobody finds it.
      await db
        .updateTable("repository")
        .set({ account: deletedAccount, name: placeholder })
        .where("id", "=", id)
        .execute();
    },

    async putAside({ id, registry, name }, { at, by, until }) {
      await db
        .updateTable("repository")
        .set({ account: keptAccount, name: placeholder })
        .where("id", "=", id)
        .execute();
      await db
        .insertInto("deleted_repository")
        .values({
          repository_id: id,
          ...registry,
          name,
          deleted_at: at.getTime(),
          deleted_by: by,
          kept_until: until.getTime(),
        })
        .execute();
    },

    async resourceTags(id) {
      const rows = await tagsOf(db, flavour, { id });
      return new Map(rows.map(({ key, value }) => [key, value]));
    },

    async setResourceTags(id, tags) {
      if (tags.size === 0) return;
      await db
        .insertInto("resource_tag")
        .values([...tags].map(([key, value]) => ({ repository_id: id, key, value })))
        .onConflict((conflict) =>
          conflict.columns(["repository_id", "key"]).doUpdateSet(({ ref }) => ({ value: ref("excluded.value") })),
        )
        .execute();
    },

    async removeResourceTags(id, keys) {
      await db.deleteFrom("resource_tag").where("repository_id", "=", id).where(flavour.among("key", keys)).execute();
    },
  };
  return nouns;
}
