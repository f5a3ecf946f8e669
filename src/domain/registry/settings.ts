import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Metadata } from "./ports.ts";
import type { RegistryResources } from "./resource-policies.ts";

/** Settings of a registry: their values, the first being the default (ECR API reference, PutAccountSetting). */
const known = {
  BASIC_SCAN_TYPE_VERSION: ["AWS_NATIVE"],
  REGISTRY_POLICY_SCOPE: ["V2", "V1"],
  BLOB_MOUNTING: ["ENABLED", "DISABLED"],
} as const;

export type SettingName = keyof typeof known;

export interface SettingsService {
  /** @throws InvalidParameter for an unknown name */
  get(granted: Granted, name: string): Promise<string>;
  /** @throws InvalidParameter, Validation for a value that the setting does not have */
  set(granted: Granted, name: string, value: string): Promise<void>;
}

export interface SettingsParts {
  readonly metadata: Metadata;
  /** Told of what changes decisions. */
  readonly resources: Pick<RegistryResources, "forget">;
}

export function createSettings({ metadata, resources }: SettingsParts): SettingsService {
  return {
    async get(granted, name) {
      const setting = knownName(name);
      return (await metadata.read.settings.get(granted.registry, setting)) ?? known[setting][0];
    },
    async set(granted, name, value) {
      const setting = knownName(name);
      const values: readonly string[] = known[setting];
      if (!values.includes(value)) {
        throw refuse("Validation", { reason: `The value of ${setting} must be one of [${values.join(", ")}]` });
      }
      await metadata.transact(({ settings }) => settings.set(granted.registry, setting, value));
      resources.forget(granted.registry);
    },
  };
}

function knownName(name: string): SettingName {
  if (Object.hasOwn(known, name)) return name as SettingName;
  const constraint = `Member must satisfy enum value set: [${Object.keys(known).join(", ")}]`;
  throw refuse("InvalidParameter", { member: "name", constraint });
}
