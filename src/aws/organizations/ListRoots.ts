import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";
import { rootView } from "./views.ts";

export const ListRoots = operation("ListRoots", {
  input: { ...paged },
  needs: onRegistry("organizations:ListRoots"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied"],
  async run(_, granted, { organizations }) {
    return { Roots: [rootView(await organizations.root(granted))] };
  },
});
