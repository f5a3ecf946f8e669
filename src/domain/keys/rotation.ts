import { createHash, randomBytes } from "node:crypto";
import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { keyArn } from "../names.ts";
import type { Keyring } from "./keyring.ts";
import { materialBytes } from "./keys.ts";
import type { Key, KeyMaterial, KeyMetadata, KeyWrapper } from "./ports.ts";
import { decidedKey, notFound } from "./references.ts";
import { mustBeEnabled, mustNotBePending } from "./states.ts";

/** New material for keys: it encrypts from then on, and what is older decrypts for ever. */
export interface RotationService {
  /** @throws KeyNotFound, KeyDisabled, KeyInvalidState */
  enable(granted: Granted, periodDays: number | undefined): Promise<void>;
  disable(granted: Granted): Promise<void>;
  /** @throws KeyNotFound */
  status(granted: Granted): Promise<Key>;
  /** @throws LimitExceeded beside those of `enable` */
  rotateNow(granted: Granted): Promise<Key>;
  /** Every material, the first included, oldest first. */
  list(granted: Granted): Promise<{ readonly key: Key; readonly materials: readonly KeyMaterial[] }>;
}

export interface RotationParts {
  readonly metadata: KeyMetadata;
  readonly wrapper: KeyWrapper;
  readonly keyring: Keyring;
  readonly clock: () => Date;
}

const days = 86_400_000;
const defaultPeriodDays = 365;
/** Of one key (KMS API reference, RotateKeyOnDemand). */
const maxOnDemand = 25;

export function createRotation({ metadata, wrapper, keyring, clock }: RotationParts): RotationService {
  async function change(granted: Granted, work: (key: Key) => Key): Promise<void> {
    const { registry, id } = decidedKey(granted);
    await keyring.get(registry, id);
    await metadata.transact(async ({ keys }) => {
      const key = await keys.lock(id);
      if (!key) throw notFound(registry, id);
      mustBeEnabled(key);
      await keys.update(work(key));
    });
    keyring.changed(id);
  }

  return {
    enable: (granted, periodDays) =>
      change(granted, (key) => {
        const period = periodDays ?? key.rotation?.periodDays ?? defaultPeriodDays;
        const nextAt = new Date(clock().getTime() + period * days);
        return { ...key, rotation: { periodDays: period, nextAt } };
      }),
    disable: (granted) => change(granted, (key) => ({ ...key, rotation: undefined })),
    async status(granted) {
      const { registry, id } = decidedKey(granted);
      return await keyring.get(registry, id);
    },
    async rotateNow(granted) {
      const { registry, id } = decidedKey(granted);
      const key = await keyring.get(registry, id);
      mustBeEnabled(key);
      const materials = await metadata.read.keys.materials(id);
      if (materials.filter(({ rotation }) => rotation === "ON_DEMAND").length >= maxOnDemand) {
        throw refuse("LimitExceeded", { reason: `A key can be rotated ${maxOnDemand} times on demand` });
      }
      await addMaterial({ metadata, wrapper, clock }, key, "ON_DEMAND");
      keyring.changed(id);
      return key;
    },
    async list(granted) {
      const { registry, id } = decidedKey(granted);
      const key = await keyring.get(registry, id);
      mustNotBePending(key);
      return { key, materials: await metadata.read.keys.materials(id) };
    },
  };
}

/** Answers whether it was done: not where the key changed meanwhile, or somebody else was faster. */
export async function addMaterial(
  { metadata, wrapper, clock }: Omit<RotationParts, "keyring">,
  { id, registry }: Key,
  rotation: NonNullable<KeyMaterial["rotation"]>,
): Promise<boolean> {
  const before = await metadata.read.keys.find(id);
  if (before?.state !== "Enabled") return false;
  const version = before.version + 1;
  // Not inside of the transaction: the master key may be far away.
  const wrapped = await wrapper.wrap(randomBytes(materialBytes), keyArn(registry, id), version);
  return await metadata.transact(async ({ keys }) => {
    const key = await keys.lock(id);
    const now = clock();
    const isDue = rotation === "ON_DEMAND" || (key?.rotation !== undefined && key.rotation.nextAt <= now);
    if (key?.state !== "Enabled" || key.version !== before.version || !isDue) return false;
    await keys.addMaterial(id, { version, wrapped, createdAt: now, rotation });
    const nextAt = key.rotation && new Date(now.getTime() + key.rotation.periodDays * days);
    const next = key.rotation && nextAt && { ...key.rotation, nextAt };
    await keys.update({ ...key, version, rotation: rotation === "AUTOMATIC" ? next : key.rotation });
    return true;
  });
}

/** What clients call a material by. */
export function materialId({ id }: Pick<Key, "id">, version: number): string {
  return createHash("sha256").update(`${id} ${version}`).digest("hex");
}
