import type { Kysely, Selectable } from "kysely";
import type { Grant, GrantConstraint, GrantOperation, GrantPrincipal, KeyGrants } from "../../domain/keys/ports.ts";
import type { KeyId } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";
import { fromMap, toMap } from "./string-map.ts";

const columns = [
  "id",
  "key_id",
  "grantee",
  "grantee_id",
  "retiring",
  "retiring_id",
  "operations",
  "constraint_kind",
  "constraint_context",
  "name",
  "issuer",
  "created_at",
] as const;

type GrantRow = Selectable<Schema["key_grant"]>;

function toGrant(row: GrantRow): Grant {
  const { constraint_kind: kind, constraint_context: context } = row;
  return {
    id: row.id,
    keyId: row.key_id,
    grantee: { name: row.grantee, id: row.grantee_id },
    retiring: toPrincipal(row.retiring, row.retiring_id),
    operations: JSON.parse(row.operations) as GrantOperation[],
    constraint:
      kind === null || context === null
        ? undefined
        : { kind: kind as GrantConstraint["kind"], context: toMap(context) },
    name: row.name ?? undefined,
    issuer: row.issuer,
    createdAt: new Date(row.created_at),
  };
}

function toPrincipal(name: string | null, id: string | null): GrantPrincipal | undefined {
  return name === null || id === null ? undefined : { name, id };
}

function toRow({ id, keyId, grantee, retiring, operations, constraint, name, issuer, createdAt }: Grant): GrantRow {
  return {
    id,
    key_id: keyId,
    grantee: grantee.name,
    grantee_id: grantee.id,
    retiring: retiring?.name ?? null,
    retiring_id: retiring?.id ?? null,
    operations: JSON.stringify(operations),
    constraint_kind: constraint?.kind ?? null,
    constraint_context: constraint ? fromMap(constraint.context) : null,
    name: name ?? null,
    issuer,
    created_at: createdAt.getTime(),
  };
}

const findGrant = statement((db, value: { keyId: KeyId; id: string }) =>
  db.selectFrom("key_grant").select(columns).where("id", "=", value.id).where("key_id", "=", value.keyId),
);

export function keyGrants(db: Kysely<Schema>, flavour: Flavour): KeyGrants {
  const { among } = flavour;
  return {
    async find(keyId, id) {
      const [row] = await findGrant(db, flavour, { keyId, id });
      return row && toGrant(row);
    },

    async list(keyId, { after = "", limit }, { id, grantee } = {}) {
      const rows = await db
        .selectFrom("key_grant")
        .select(columns)
        .where("key_id", "=", keyId)
        .where("id", ">", after)
        .$if(id !== undefined, (query) => query.where("id", "=", id ?? ""))
        .$if(grantee !== undefined, (query) => query.where("grantee", "=", grantee ?? ""))
        .orderBy("id")
        .limit(limit)
        .execute();
      return rows.map(toGrant);
    },

    async of(keyId, principals) {
      const of = (column: "grantee_id" | "retiring_id") =>
        db
          .selectFrom("key_grant")
          .select(columns)
          .where("key_id", "=", keyId)
          .where(among(column, principals))
          .orderBy("id")
          .execute();
      const rows = [...(await of("grantee_id")), ...(await of("retiring_id"))];
      return [...new Map(rows.map((row) => [row.id, toGrant(row)])).values()];
    },

    async within(keyId, grantee, context, limit) {
      const to = db
        .selectFrom("key_grant")
        .select(columns)
        .where("key_id", "=", keyId)
        .where("grantee_id", "=", grantee)
        .limit(limit);
      const rows = [
        ...(await to.where("constraint_context", "=", fromMap(context)).execute()),
        ...(await to.where("constraint_context", "is", null).execute()),
      ];
      return rows.map(toGrant);
    },

    async retirableBy(principals, { after = "", limit }) {
      const rows = await db
        .selectFrom("key_grant")
        .select(columns)
        .where(among("retiring_id", principals))
        .where("id", ">", after)
        .orderBy("id")
        .limit(limit)
        .execute();
      return rows.map(toGrant);
    },

    async count(keyId) {
      const { grants } = await db
        .selectFrom("key_grant")
        .select(({ fn }) => fn.countAll<number | string>().as("grants"))
        .where("key_id", "=", keyId)
        .executeTakeFirstOrThrow();
      return Number(grants);
    },

    async create(grant) {
      await db.insertInto("key_grant").values(toRow(grant)).execute();
    },

    async delete(keyId, id) {
      const deleted = await db
        .deleteFrom("key_grant")
        .where("id", "=", id)
        .where("key_id", "=", keyId)
        .returning("id")
        .execute();
      return deleted.length > 0;
    },
  };
}
