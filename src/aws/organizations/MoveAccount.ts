import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { MemberId, ParentId } from "./shapes.ts";

export const MoveAccount = operation("MoveAccount", {
  input: { AccountId: MemberId, SourceParentId: ParentId, DestinationParentId: ParentId },
  needs: onNodes(
    "organizations:MoveAccount",
    ({ AccountId: id }) => id,
    ({ SourceParentId: from }) => from,
    ({ DestinationParentId: to }) => to,
  ),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "OrganizationAccountNotFound",
    "SourceParentNotFound",
    "DestinationParentNotFound",
    "DuplicateAccount",
  ],
  async run({ AccountId: id, SourceParentId: from, DestinationParentId: to }, granted, { organizations }) {
    await organizations.moveAccount(granted, id, from, to);
    return {};
  },
});
