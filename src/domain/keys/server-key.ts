import { randomBytes } from "node:crypto";
import { type AccountId, type KeyId, keyArn, type Region, type Registry } from "../names.ts";
import type { Key, KeyMetadata, KeyWrapper } from "./ports.ts";

/**
 * The key that seals what no user's key does. It lies beside the keys of users, so that it is wrapped, rotated and wrapped
 * anew as these are, but nobody has it: no account and no region can be named so, thus no ARN of a request means it, no list
 * has it, and no ciphertext of it is one to KMS.
 */
export const serverRegistry: Registry = { account: "" as AccountId, region: "" as Region };
export const serverKeyId = "be271400-0000-4000-8000-000000000000" as KeyId;
export const serverKeyArn = keyArn(serverRegistry, serverKeyId);

/** Nobody asks about it; whoever would, gets this. */
const policy = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Deny", Principal: "*", Action: "*", Resource: "*" },
});
const materialBytes = 32;
const rotationDays = 365;
const days = 86_400_000;

export interface ServerKeyParts {
  readonly metadata: KeyMetadata;
  readonly wrapper: KeyWrapper;
  readonly clock: () => Date;
}

/** Makes the server's own key where there is none. Several processes may do so at once: one of them does. */
export async function ensureServerKey({ metadata, wrapper, clock }: ServerKeyParts): Promise<void> {
  if (await metadata.read.keys.find(serverKeyId)) return;
  const createdAt = clock();
  const key: Key = {
    id: serverKeyId,
    registry: serverRegistry,
    manager: "BERTH",
    state: "Enabled",
    description: "The server's own key",
    policy,
    policyBindings: new Map(),
    tags: new Map(),
    createdAt,
    version: 1,
    rotation: { periodDays: rotationDays, nextAt: new Date(createdAt.getTime() + rotationDays * days) },
  };
  const wrapped = await wrapper.wrap(randomBytes(materialBytes), serverKeyArn, key.version);
  await metadata.transact(({ keys }) => keys.create(key, { version: key.version, wrapped, createdAt }));
}
