import { z } from "zod";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { retentionView } from "./views.ts";

export const PutRetention = operation("PutRetention", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    retentionText: z.string().min(2).max(30_720).optional(),
    reportOnly: z.boolean().optional(),
  },
  needs: onRepository("berth:PutRetention"),
  throws: ["RepositoryNotFound", "InvalidParameter"],
  async run({ repositoryName, retentionText: document, reportOnly }, granted, { retention }) {
    const given = { ...(document !== undefined && { document }), ...(reportOnly !== undefined && { reportOnly }) };
    return retentionView(await retention.put(granted, repositoryName, given));
  },
});
