import { z } from "zod";
import { syncedSettings } from "../../domain/replication/ports.ts";
import { pattern } from "../input.ts";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { replicationOptionsView } from "./views.ts";

export const PutReplicationOptions = operation("PutReplicationOptions", {
  input: {
    replicateDeletes: z.boolean().optional(),
    replicateUntags: z.boolean().optional(),
    tagFilters: z.array(pattern("[0-9a-zA-Z._*-]{1,128}")).max(100).optional(),
    settings: z.array(z.enum(syncedSettings)).max(syncedSettings.length).optional(),
  },
  needs: onRegistry("berth:PutReplicationOptions"),
  throws: [],
  async run({ replicateDeletes: deletes, replicateUntags: untags, tagFilters: tags, settings }, granted, parts) {
    const given = Object.entries({ deletes, untags, tags, settings }).filter(([, value]) => value !== undefined);
    return replicationOptionsView(await parts.replicationExtras.setOptions(granted, Object.fromEntries(given)));
  },
});
