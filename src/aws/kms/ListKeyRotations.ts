import { z } from "zod";
import { pageOf } from "./lists.ts";
import { ofKey, onKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId, paged } from "./shapes.ts";
import { rotationView } from "./views.ts";

export const ListKeyRotations = operation("ListKeyRotations", {
  input: { KeyId, IncludeKeyMaterial: z.enum(["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"]).optional(), ...paged },
  account: ofKey,
  needs: onKey("kms:ListKeyRotations"),
  throws: ["KeyNotFound", "InvalidKeyArn", "KeyInvalidState", "InvalidMarker"],
  async run(input, granted, { rotation, paging }) {
    const { key, materials } = await rotation.list(granted);
    const shown = input.IncludeKeyMaterial === "ALL_KEY_MATERIAL" ? materials : materials.slice(1);
    const { items, more } = await pageOf({
      paging,
      of: ["ListKeyRotations", key.id, input.IncludeKeyMaterial],
      granted,
      input,
      preset: 100,
      read: async ({ after = 0, limit }: { after?: number; limit: number }) =>
        shown.filter(({ version }) => version > after).slice(0, limit),
      keyOf: ({ version }) => version,
    });
    return { Rotations: items.map((material) => rotationView(key, material)), ...more };
  },
});
