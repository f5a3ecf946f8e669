import { z } from "zod";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";

export const SetDeletionProtection = operation("SetDeletionProtection", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, deletionProtection: z.boolean() },
  needs: onRepository("berth:SetDeletionProtection"),
  throws: ["RepositoryNotFound"],
  async run({ repositoryName, deletionProtection }, granted, { retention }) {
    await retention.protect(granted, repositoryName, deletionProtection);
    return { deletionProtection };
  },
});
