import type { Kysely } from "kysely";
import type { AuditNouns } from "../../domain/audit/ports.ts";
import type { Nouns } from "../../domain/registry/ports.ts";
import { audit } from "./audit.ts";
import { blobs } from "./blobs.ts";
import type { Flavour } from "./flavour.ts";
import { garbage } from "./garbage.ts";
import { images } from "./images.ts";
import { inspection } from "./inspection.ts";
import { layers } from "./layers.ts";
import { registryPolicies } from "./registry-policies.ts";
import { repositories } from "./repositories.ts";
import type { Schema } from "./schema.ts";
import { settings } from "./settings.ts";
import { tags } from "./tags.ts";
import { uploads } from "./uploads.ts";

export type AllNouns = Nouns & AuditNouns;

/** Everything that can be said to the database, through one connection or transaction. */
export function nouns(db: Kysely<Schema>, flavour: Flavour): AllNouns {
  return {
    repositories: repositories(db, flavour),
    layers: layers(db, flavour),
    uploads: uploads(db, flavour),
    images: images(db, flavour),
    tags: tags(db, flavour),
    settings: settings(db, flavour),
    registryPolicies: registryPolicies(db, flavour),
    blobs: blobs(db, flavour),
    garbage: garbage(db, flavour),
    inspection: inspection(db, flavour),
    audit: audit(db, flavour),
  };
}
