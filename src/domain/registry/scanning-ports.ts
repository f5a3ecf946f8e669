import type { Arn, Registry } from "../names.ts";

/** What scanning and signing need kept for them, beside all that `ports.ts` lists and in the same transactions. */
export interface ScanningNouns {
  readonly registryConfigurations: RegistryConfigurations;
  readonly imageScans: ImageScans;
  readonly imageSignings: ImageSignings;
}

export type ScanType = "BASIC" | "ENHANCED";
export type ScanFrequency = "SCAN_ON_PUSH" | "CONTINUOUS_SCAN" | "MANUAL";

export interface ScanningRule {
  readonly frequency: ScanFrequency;
  /** By rules of their own: `scanFilterMatches`. None match no repository. */
  readonly filters: readonly string[];
}

export interface ScanningConfiguration {
  readonly scanType: ScanType;
  readonly rules: readonly ScanningRule[];
}

export interface SigningRule {
  readonly profile: Arn;
  /** Wildcards for whole names. Without them the rule is for every repository. */
  readonly filters?: readonly string[];
}

export interface SigningConfiguration {
  readonly rules: readonly SigningRule[];
}

/** What a registry is told to do with its images. What is not there was never configured. */
export interface RegistryConfiguration {
  readonly scanning?: ScanningConfiguration;
  readonly signing?: SigningConfiguration;
}

export interface RegistryConfigurations {
  find(registry: Registry): Promise<RegistryConfiguration>;
  /** Creates or replaces what is given, and leaves the rest. */
  put(registry: Registry, configuration: RegistryConfiguration): Promise<void>;
  /** Answers what is gone. */
  deleteSigning(registry: Registry): Promise<SigningConfiguration | undefined>;
}

/** A basic scan. None has findings yet: no scanner can be configured. */
export interface ImageScan {
  readonly status: "FAILED";
  readonly description: string;
  readonly requestedAt: Date;
}

/** The newest scan of each image. It goes with the image. */
export interface ImageScans {
  find(imageId: number): Promise<ImageScan | undefined>;
  put(imageId: number, scan: ImageScan): Promise<void>;
}

/** What became of one profile's signature. */
export interface ImageSigning {
  readonly profile: Arn;
  readonly status: "FAILED";
  readonly failureCode: string;
  readonly failureReason: string;
}

/** Of each profile that the image was to be signed with when it was pushed. It goes with the image. */
export interface ImageSignings {
  find(imageId: number): Promise<readonly ImageSigning[]>;
  put(imageId: number, signings: readonly ImageSigning[]): Promise<void>;
}
