import type { Operation } from "../support/model.ts";
import { imageRows } from "./images.ts";
import { layerRows } from "./layers.ts";
import { lifecycleRows } from "./lifecycle.ts";
import { pullThroughRows } from "./pull-through.ts";
import { registryRows } from "./registry.ts";
import { replicationRows } from "./replication.ts";
import { repositoryRows } from "./repositories.ts";
import type { AnyRow, Rows } from "./row.ts";
import { templateRows } from "./templates.ts";

const all: Rows = {
  ...repositoryRows,
  ...layerRows,
  ...imageRows,
  ...lifecycleRows,
  ...registryRows,
  ...templateRows,
  ...pullThroughRows,
  ...replicationRows,
};

/** Every operation of ECR that there is. */
export const rows = new Map(Object.entries(all) as unknown as [Operation, AnyRow][]);
