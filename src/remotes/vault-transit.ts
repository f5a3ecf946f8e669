import { readFile } from "node:fs/promises";
import { KeeperFailed } from "../domain/keys/keepers.ts";
import type { KeyWrapper } from "../domain/keys/ports.ts";
import type { Arn } from "../domain/names.ts";
import type { Answer } from "./exchange.ts";
import { bytesIn, createKeeperCalls, type KeeperCallsParts, objectIn, type Refusal } from "./keeper-calls.ts";
import { createRemoteKeeper } from "./remote-keeper.ts";

export interface VaultTransitParts extends Pick<KeeperCallsParts, "authority" | "limits"> {
  /** `https://vault:8200` */
  readonly url: string;
  /** Mount and name, such as `transit/berth`: the one of today first, those behind it only decrypt. */
  readonly keys: readonly string[];
  readonly token: VaultToken;
  readonly namespace?: string;
  readonly clock: () => Date;
}

/** A file is read for every request: an agent that renews the token writes it there. */
export type VaultToken = { readonly given: string } | { readonly file: string };

/**
 * The transit engine of HashiCorp Vault and of OpenBao (API documentation, "Transit secrets engine"). The name of what is
 * wrapped is associated data, so the key has to be of a type that has it: aes256-gcm96, aes128-gcm96, chacha20-poly1305.
 */
export function createVaultTransit({ url, keys, token, namespace, clock, ...parts }: VaultTransitParts): KeyWrapper {
  const calls = createKeeperCalls({ ...parts, keeper: "Vault" });

  async function ask<Asked>(
    operation: "encrypt" | "decrypt",
    key: string,
    input: object,
    read: (data: Readonly<Record<string, unknown>>) => Asked | undefined,
  ): Promise<Asked> {
    const [mount, name] = [key.slice(0, key.lastIndexOf("/")), key.slice(key.lastIndexOf("/") + 1)];
    return await calls.ask({
      url: new URL(`/v1/${mount}/${operation}/${name}`, url),
      operation: `${operation} with ${key}`,
      body: JSON.stringify(input),
      headers: async () => ({
        "content-type": "application/json",
        "x-vault-request": "true",
        "x-vault-token": await tokenIn(token),
        ...(namespace !== undefined && { "x-vault-namespace": namespace }),
      }),
      read: (answer) => read(objectIn(JSON.stringify(objectIn(answer).data ?? null))),
      refusal,
    });
  }

  const [today = ""] = keys;
  return createRemoteKeeper({
    kind: "vault",
    clock,
    key: {
      async encrypt(material, name, version) {
        const input = { plaintext: Buffer.from(material).toString("base64"), ...associated(name, version) };
        return await ask("encrypt", today, input, ({ ciphertext }) => {
          // `vault:v3:…`: which version of the key did it.
          const [, keyVersion] = /^vault:v(\d+):./.exec(String(ciphertext)) ?? [];
          if (keyVersion === undefined) return undefined;
          return { mark: `${today} v${keyVersion}`, ciphertext: Buffer.from(String(ciphertext)) };
        });
      },
      async decrypt({ mark, ciphertext }, name, version) {
        const key = keys.find((known) => mark.startsWith(`${known} `));
        if (key === undefined) {
          const why = `was wrapped by Vault's key ${mark}, which kms.vaultKey does not name`;
          throw new KeeperFailed(`the material of ${name} ${why}`, false);
        }
        const input = { ciphertext: Buffer.from(ciphertext).toString("utf8"), ...associated(name, version) };
        return await ask("decrypt", key, input, ({ plaintext }) => bytesIn(plaintext));
      },
    },
  });
}

function associated(name: Arn, version: number) {
  return { associated_data: Buffer.from(`${name} ${version}`).toString("base64") };
}

/** `{"errors": ["permission denied"]}`; without any where there is no such path. */
function refusal({ body, status }: Answer): Refusal | undefined {
  const { errors } = objectIn(body.toString("utf8"));
  if (!Array.isArray(errors)) return undefined;
  if (errors.length > 0) return { text: errors.join("; ") };
  return { text: status === 404 ? "there is no transit engine at that path" : "it does not say why" };
}

const maxTokenBytes = 16 * 1024;

async function tokenIn(token: VaultToken): Promise<string> {
  if ("given" in token) return token.given;
  let text: string;
  try {
    text = (await readFile(token.file, "utf8")).trim();
  } catch (error) {
    throw new KeeperFailed(
      `Vault's token ${token.file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      false,
    );
  }
  // Anything else could not be sent as a header.
  if (/^[\x21-\x7e]+$/.test(text) && text.length <= maxTokenBytes) return text;
  throw new KeeperFailed(`${token.file} does not have one token of Vault in it`, false);
}
