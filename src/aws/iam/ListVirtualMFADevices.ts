import { z } from "zod";
import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";

export const ListVirtualMFADevices = operation("ListVirtualMFADevices", {
  input: { AssignmentStatus: z.enum(["Any", "Assigned", "Unassigned"]).optional(), ...paged },
  needs: onRegistry("iam:ListVirtualMFADevices"),
  throws: [],
  async run() {
    return { VirtualMFADevices: [], IsTruncated: false };
  },
});
