import type { Kysely } from "kysely";
import type { ImageScan, ImageScans, ImageSigning, ImageSignings } from "../../domain/registry/scanning-ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const findScan = statement((db, value: { id: number }) =>
  db.selectFrom("image").select("scan").where("id", "=", value.id),
);

const putScan = statement((db, value: { id: number; scan: string }) =>
  db.updateTable("image").set({ scan: value.scan }).where("id", "=", value.id),
);

export function imageScans(db: Kysely<Schema>, flavour: Flavour): ImageScans {
  return {
    async find(id) {
      const [row] = await findScan(db, flavour, { id });
      return toScan(row?.scan ?? null);
    },

    async put(id, { requestedAt, ...scan }) {
      await putScan(db, flavour, { id, scan: JSON.stringify({ ...scan, requestedAt: requestedAt.getTime() }) });
    },
  };
}

const findSignings = statement((db, value: { id: number }) =>
  db.selectFrom("image").select("signings").where("id", "=", value.id),
);

const putSignings = statement((db, value: { id: number; signings: string }) =>
  db.updateTable("image").set({ signings: value.signings }).where("id", "=", value.id),
);

export function imageSignings(db: Kysely<Schema>, flavour: Flavour): ImageSignings {
  return {
    async find(id) {
      const [row] = await findSignings(db, flavour, { id });
      return toSignings(row?.signings ?? null);
    },

    async put(id, signings) {
      await putSignings(db, flavour, { id, signings: JSON.stringify(signings) });
    },
  };
}

/** As the column has it. */
export function toScan(json: string | null): ImageScan | undefined {
  if (json === null) return undefined;
  const { requestedAt, ...scan } = JSON.parse(json) as Omit<ImageScan, "requestedAt"> & { requestedAt: number };
  return { ...scan, requestedAt: new Date(requestedAt) };
}

/** As the column has it. */
export function toSignings(json: string | null): readonly ImageSigning[] {
  return json === null ? [] : (JSON.parse(json) as ImageSigning[]);
}
