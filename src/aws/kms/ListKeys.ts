import type { Paged } from "../../domain/keys/ports.ts";
import type { KeyId } from "../../domain/names.ts";
import { onRegistry } from "../operation.ts";
import { pageOf } from "./lists.ts";
import { operation } from "./operation.ts";
import { paged } from "./shapes.ts";
import { arnOf } from "./views.ts";

export const ListKeys = operation("ListKeys", {
  input: paged,
  needs: onRegistry("kms:ListKeys"),
  throws: ["InvalidMarker"],
  async run(input, granted, { keys, paging }) {
    const { items, more } = await pageOf({
      paging,
      of: ["ListKeys"],
      granted,
      input,
      preset: 100,
      read: (page: Paged<KeyId>) => keys.list(granted, page),
      keyOf: ({ id }) => id,
    });
    return { Keys: items.map((key) => ({ KeyId: key.id, KeyArn: arnOf(key) })), ...more };
  },
});
