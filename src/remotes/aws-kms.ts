import { KeeperFailed } from "../domain/keys/keepers.ts";
import type { KeyWrapper } from "../domain/keys/ports.ts";
import type { Arn } from "../domain/names.ts";
import { type AwsCredentials, type AwsSigners, awsEndpoint, createAwsCredentials } from "./aws-credentials.ts";
import { signedHeaders } from "./aws-signing.ts";
import type { Answer } from "./exchange.ts";
import { bytesIn, createKeeperCalls, type KeeperCallsParts, objectIn, type Refusal } from "./keeper-calls.ts";
import { createRemoteKeeper } from "./remote-keeper.ts";

export interface AwsKmsParts extends Pick<KeeperCallsParts, "authority" | "limits"> {
  /** Ids, aliases or ARNs: the one of today first, those behind it only decrypt. */
  readonly keys: readonly string[];
  /** Of keys that are no ARNs. */
  readonly region?: string;
  /** In place of AWS's own. */
  readonly endpoint?: string;
  readonly stsEndpoint?: string;
  readonly credentials: AwsCredentials;
  readonly clock: () => Date;
}

/**
 * AWS KMS, or whatever speaks its API: `Encrypt` and `Decrypt`, with the name of what is wrapped as encryption context.
 * Which version of its material a key took is KMS's own affair and not to be seen.
 */
export function createAwsKms({
  keys,
  region,
  endpoint,
  stsEndpoint,
  credentials,
  clock,
  ...parts
}: AwsKmsParts): KeyWrapper {
  const calls = createKeeperCalls({ ...parts, keeper: "AWS KMS" });
  const regionOf = (key: string) => /^arn:[^:]*:kms:([^:]*):/.exec(key)?.[1] ?? region ?? "us-east-1";
  const [today = ""] = keys;
  const signers = createAwsCredentials({
    ...parts,
    credentials,
    region: region ?? regionOf(today),
    stsEndpoint,
    clock,
  });

  async function ask<Asked>(
    operation: "Encrypt" | "Decrypt",
    input: { readonly KeyId: string },
    read: (output: Readonly<Record<string, unknown>>) => Asked | undefined,
  ): Promise<Asked> {
    const signingRegion = regionOf(input.KeyId);
    const url = new URL(endpoint ?? awsEndpoint("kms", signingRegion));
    const body = JSON.stringify(input);
    const headers = {
      host: url.host,
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `TrentService.${operation}`,
    };
    return await calls.ask({
      url,
      operation: `${operation} with ${input.KeyId}`,
      body,
      headers: async () =>
        signedHeaders(url, headers, body, {
          service: "kms",
          region: signingRegion,
          keys: await signers.current(),
          now: clock(),
        }),
      read: (answer) => read(objectIn(answer)),
      refusal: (answer) => refusalIn(answer, signers),
    });
  }

  return createRemoteKeeper({
    kind: "aws",
    clock,
    key: {
      async encrypt(material, name, version) {
        const Plaintext = Buffer.from(material).toString("base64");
        const input = { KeyId: today, Plaintext, EncryptionContext: contextOf(name, version) };
        return await ask("Encrypt", input, ({ CiphertextBlob, KeyId }) => {
          const ciphertext = bytesIn(CiphertextBlob);
          return ciphertext && typeof KeyId === "string" && KeyId !== "" ? { mark: KeyId, ciphertext } : undefined;
        });
      },
      async decrypt({ mark, ciphertext }, name, version) {
        const CiphertextBlob = Buffer.from(ciphertext).toString("base64");
        // The key is named, so that no other is taken, whatever the ciphertext says and the credentials allow.
        for (const KeyId of [...keys].sort((a, b) => Number(b === mark) - Number(a === mark))) {
          const input = { KeyId, CiphertextBlob, EncryptionContext: contextOf(name, version) };
          try {
            return await ask("Decrypt", input, ({ Plaintext }) => bytesIn(Plaintext));
          } catch (error) {
            if (!(error instanceof KeeperFailed) || error.code !== "IncorrectKeyException") throw error;
          }
        }
        const why = `was wrapped by the KMS key ${mark}, which kms.awsKey does not name`;
        throw new KeeperFailed(`the material of ${name} ${why}`, false);
      },
    },
  });
}

function contextOf(name: Arn, version: number) {
  return { "berth:key": name, "berth:version": String(version) };
}

/** Statuses say it of all others. */
const passing = new Set(["ThrottlingException", "Throttling", "RequestLimitExceeded", "RequestThrottled"]);

/** As the JSON protocol of AWS spells it. */
function refusalIn({ body, headers }: Answer, signers: AwsSigners): Refusal | undefined {
  const { __type, message, Message } = objectIn(body.toString("utf8"));
  const type = headers["x-amzn-errortype"] ?? __type;
  if (typeof type !== "string") return undefined;
  const code = type.replace(/^.*#|:.*$/g, "");
  const text = `${code}: ${message ?? Message ?? "it does not say why"}`;
  // Whoever can have newer credentials tries again with them.
  if (code === "ExpiredTokenException") return { code, text, isPassing: signers.renew() };
  return { code, text, ...(passing.has(code) && { isPassing: true }) };
}
