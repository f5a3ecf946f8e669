import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { NextToken, TaggedId } from "./shapes.ts";

export const ListTagsForResource = operation("ListTagsForResource", {
  input: { ResourceId: TaggedId, NextToken },
  needs: onRegistry("organizations:ListTagsForResource"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "TargetNotFound"],
  async run({ ResourceId: id }, granted, { organizations }) {
    await organizations.checkResource(granted, id);
    // None can be given; infrastructure as code asks all the same.
    return { Tags: [] };
  },
});
