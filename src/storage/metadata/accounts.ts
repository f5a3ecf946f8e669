import type { Kysely, Selectable } from "kysely";
import type { Account, Accounts } from "../../domain/identity/ports.ts";
import type { AccountId } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = [
  "account.id",
  "account.name",
  "account.email",
  "account.status",
  "account.created_at",
  "account.alias",
  "account.root_key_id",
  "account.root_sealed_secret",
  "account.parent_id",
] as const;

type AccountRow = Selectable<Schema["account"]>;

function toAccount(row: AccountRow): Account {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    status: row.status,
    createdAt: new Date(row.created_at),
    alias: row.alias ?? undefined,
    rootKeyId: row.root_key_id ?? undefined,
    rootSealedSecret: row.root_sealed_secret ?? undefined,
    parentId: row.parent_id ?? undefined,
  };
}

const findAccount = statement((db, value: { id: AccountId }) =>
  db.selectFrom("account").select(columns).where("id", "=", value.id),
);

const findByRootKey = statement((db, value: { accessKeyId: string }) =>
  db.selectFrom("account").select(columns).where("root_key_id", "=", value.accessKeyId),
);

export function accounts(db: Kysely<Schema>, flavour: Flavour): Accounts {
  const page = (after: AccountId | undefined, limit: number) =>
    db
      .selectFrom("account")
      .select(columns)
      .where("id", ">", after ?? ("" as AccountId))
      .orderBy("id")
      .limit(limit);

  return {
    async find(id) {
      const [row] = await findAccount(db, flavour, { id });
      return row && toAccount(row);
    },

    async ofRootKey(accessKeyId) {
      const [row] = await findByRootKey(db, flavour, { accessKeyId });
      return row && toAccount(row);
    },

    async list({ after, limit }) {
      return (await page(after, limit).execute()).map(toAccount);
    },

    async childrenOf(parentId, { after, limit }) {
      return (await page(after, limit).where("parent_id", "=", parentId).execute()).map(toAccount);
    },

    async create(account) {
      const added = await db
        .insertInto("account")
        .values({
          id: account.id,
          name: account.name,
          email: account.email,
          status: account.status,
          created_at: account.createdAt.getTime(),
          alias: account.alias ?? null,
          root_key_id: account.rootKeyId ?? null,
          root_sealed_secret: account.rootSealedSecret ?? null,
          parent_id: account.parentId ?? null,
        })
        .onConflict((conflict) => conflict.column("id").doNothing())
        .returning("id")
        .execute();
      return added.length > 0;
    },

    async update(id, changes) {
      const has = (member: keyof typeof changes) => member in changes;
      const updated = await db
        .updateTable("account")
        .set({
          // Says something even when nothing changes, so that the answer is right.
          id,
          ...(changes.name !== undefined && { name: changes.name }),
          ...(changes.email !== undefined && { email: changes.email }),
          ...(changes.status !== undefined && { status: changes.status }),
          ...(has("rootKeyId") && { root_key_id: changes.rootKeyId ?? null }),
          ...(has("rootSealedSecret") && { root_sealed_secret: changes.rootSealedSecret ?? null }),
          ...(has("parentId") && { parent_id: changes.parentId ?? null }),
        })
        .where("id", "=", id)
        .returning("id")
        .execute();
      return updated.length > 0;
    },

    async setAlias(id, alias) {
      // Two that take one alias at once meet at its unique index, and the second is run again: it finds it taken.
      const updated = await db
        .updateTable("account")
        .set({ alias: alias ?? null })
        .where("id", "=", id)
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom("account as other")
                .select("other.id")
                .where("other.alias", "=", alias ?? null)
                .where("other.id", "<>", id),
            ),
          ),
        )
        .returning("id")
        .execute();
      return updated.length > 0;
    },
  };
}
