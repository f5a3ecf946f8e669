import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { replicationOptionsView } from "./views.ts";

export const GetReplicationOptions = operation("GetReplicationOptions", {
  input: {},
  needs: onRegistry("berth:GetReplicationOptions"),
  throws: [],
  run: async (_input, granted, { replicationExtras }) =>
    replicationOptionsView(await replicationExtras.options(granted)),
});
