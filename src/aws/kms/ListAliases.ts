import type { Paged } from "../../domain/keys/ports.ts";
import { type KeyAlias, keyAliasArn, parseKeyArn } from "../../domain/names.ts";
import { onRegistry } from "../operation.ts";
import { pageOf } from "./lists.ts";
import { keyItself, ofKey } from "./needs.ts";
import { operation } from "./operation.ts";
import { KeyId, paged } from "./shapes.ts";

export const ListAliases = operation("ListAliases", {
  input: { KeyId: KeyId.optional(), ...paged },
  account: ofKey,
  needs: onRegistry("kms:ListAliases"),
  throws: ["InvalidMarker", "InvalidKeyArn", "KeyNotFound"],
  async run(input, granted, { aliases, keyring, paging }) {
    const { registry } = granted;
    const key = input.KeyId === undefined ? undefined : await keyItself(keyring, registry, input.KeyId);
    const id = key && parseKeyArn(key)?.id;
    if (id) await keyring.get(registry, id);
    const { items, more } = await pageOf({
      paging,
      of: ["ListAliases", id],
      granted,
      input,
      preset: 50,
      read: (page: Paged<KeyAlias>) => aliases.list(granted, page, id),
      keyOf: ({ name }) => name,
    });
    const Aliases = items.map(({ name, keyId, createdAt, updatedAt }) => ({
      AliasName: name,
      AliasArn: keyAliasArn(registry, name),
      TargetKeyId: keyId,
      CreationDate: createdAt,
      LastUpdatedDate: updatedAt,
    }));
    return { Aliases, ...more };
  },
});
