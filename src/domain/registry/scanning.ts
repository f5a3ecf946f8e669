import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Digest, RepositoryName } from "../names.ts";
import type { ImageFacts } from "./image-facts.ts";
import { type ImageReference, imageNotFound, resolveImage } from "./image-references.ts";
import type { Metadata, Nouns, Repository } from "./ports.ts";
import { existing } from "./repositories.ts";
import { isContainerImage } from "./scanned-images.ts";
import type { ImageScan, ScanningConfiguration } from "./scanning-ports.ts";
import { type AppliedScanning, appliedScanning, scanningProblem } from "./scanning-rules.ts";

/**
 * Which images are to be scanned, and what came of it. There is no scanner: each scan that is asked for, by a call or by
 * a push, fails at once and says so, because no answer without findings may look like an image without vulnerabilities.
 */

export interface ScanStatus {
  readonly digest: Digest;
  readonly status: ImageScan["status"] | "UNSUPPORTED_IMAGE" | "IMAGE_ARCHIVED";
  readonly description: string;
}

/** Each method acts in the registry of the grant. */
export interface ScanningService {
  configuration(granted: Granted): Promise<ScanningConfiguration>;
  /** Replaces all of it. @throws Validation */
  configure(granted: Granted, configuration: ScanningConfiguration): Promise<void>;
  /** What the configuration means for each of the repositories that exist, in the order asked, and which do not. */
  ofRepositories(
    granted: Granted,
    names: readonly RepositoryName[],
  ): Promise<{ readonly found: readonly ScannedRepository[]; readonly missing: readonly RepositoryName[] }>;
  /** The flag of a single repository. @throws RepositoryNotFound; Validation while scanning is enhanced */
  setOnPush(granted: Granted, name: RepositoryName, scanOnPush: boolean): Promise<void>;
  /**
   * Asks for a basic scan.
   * @throws ImageNotFound, ImageArchived, ImageTypeNotScannable; LimitExceeded for a second one within a day; Validation
   *   while scanning is enhanced
   */
  start(granted: Granted, name: RepositoryName, reference: ImageReference): Promise<Digest>;
  /** @throws ImageNotFound, ScanNotFound */
  describe(granted: Granted, name: RepositoryName, reference: ImageReference): Promise<ScanStatus>;
}

export interface ScannedRepository extends AppliedScanning {
  readonly repository: Repository;
}

export interface ScanningParts {
  readonly metadata: Metadata;
  readonly imageFacts: ImageFacts;
  readonly clock: () => Date;
}

/** ECR's quota is one scan of an image in this time, the one of its push included. */
const scanEveryMs = 24 * 60 * 60_000;

const notScanned = "The image was not scanned: no image scanner is configured.";
const defaults: ScanningConfiguration = { scanType: "BASIC", rules: [] };

export function createScanning({ metadata, imageFacts, clock }: ScanningParts): ScanningService {
  /** @throws Validation */
  async function confirmBasic({ registryConfigurations }: Nouns, { registry }: Granted): Promise<void> {
    const { scanning = defaults } = await registryConfigurations.find(registry);
    if (scanning.scanType === "ENHANCED") throw refuse("Validation", { reason: "This feature is disabled" });
  }

  async function found(granted: Granted, repository: Repository, reference: ImageReference) {
    const image = await resolveImage(metadata.read, repository.id, reference);
    if (!image) throw imageNotFound(granted.registry, repository.name, reference);
    await imageFacts.confirmFound(granted, image, reference.tag);
    return image;
  }

  return {
    async configuration({ registry }) {
      return (await metadata.read.registryConfigurations.find(registry)).scanning ?? defaults;
    },
    async configure({ registry }, scanning) {
      const reason = scanningProblem(scanning);
      if (reason !== undefined) throw refuse("Validation", { reason });
      await metadata.transact(({ registryConfigurations }) => registryConfigurations.put(registry, { scanning }));
    },
    async ofRepositories({ registry }, names) {
      const { repositories, registryConfigurations } = metadata.read;
      const { scanning = defaults } = await registryConfigurations.find(registry);
      const found: ScannedRepository[] = [];
      const missing: RepositoryName[] = [];
      for (const name of names) {
        const repository = await repositories.find(registry, name);
        if (repository) found.push({ repository, ...appliedScanning(scanning, name) });
        else missing.push(name);
      }
      return { found, missing };
    },
    async setOnPush(granted, name, scanOnPush) {
      await metadata.transact(async (nouns) => {
        const repository = await existing(nouns.repositories, granted.registry, name);
        await confirmBasic(nouns, granted);
        await nouns.repositories.update(repository.id, { scanOnPush });
      });
    },
    async start(granted, name, reference) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      const { digest } = await found(granted, repository, reference);
      return metadata.transact(async (nouns) => {
        const image = await nouns.images.lock(repository.id, digest);
        if (!image) throw imageNotFound(granted.registry, name, reference);
        await confirmBasic(nouns, granted);
        if (image.status !== "ACTIVE") throw refuse("ImageArchived");
        if (!isContainerImage(image)) throw refuse("ImageTypeNotScannable");
        const at = clock();
        if (isScannedToday(await nouns.imageScans.find(image.id), at)) {
          throw refuse("LimitExceeded", { reason: "The scan quota per image has been exceeded. Wait and try again." });
        }
        await nouns.imageScans.put(image.id, failedScan(at));
        return digest;
      });
    },
    async describe(granted, name, reference) {
      const { read } = metadata;
      const { registry } = granted;
      const repository = await existing(read.repositories, registry, name);
      const image = await found(granted, repository, reference);
      const { digest } = image;
      if (image.status !== "ACTIVE") return { digest, status: "IMAGE_ARCHIVED", description: "The image is archived." };
      const { scanning = defaults } = await read.registryConfigurations.find(registry);
      const scan =
        scanning.scanType === "BASIC"
          ? await read.imageScans.find(image.id)
          : enhancedScan(scanning, repository, image);
      if (!scan) throw refuse("ScanNotFound", { repository: name, registry, ...reference });
      return { digest, status: scan.status, description: scan.description };
    },
  };
}

/** A basic scan that was asked for. */
export function failedScan(requestedAt: Date): ImageScan {
  return { status: "FAILED", description: notScanned, requestedAt };
}

/** Whether the last scan uses up the quota of the image. */
export function isScannedToday(last: ImageScan | undefined, at: Date): boolean {
  return last !== undefined && at.getTime() - last.requestedAt.getTime() < scanEveryMs;
}

/** Whether a push asks for a basic scan. */
export function isScannedOnPush(
  scanning: ScanningConfiguration = defaults,
  { name, scanOnPush }: Pick<Repository, "name" | "scanOnPush">,
): boolean {
  if (scanning.scanType === "ENHANCED") return false;
  return scanOnPush || appliedScanning(scanning, name).frequency === "SCAN_ON_PUSH";
}

/** Enhanced scanning is a state that an image is in for as long as a rule matches, and not something that is asked for. */
function enhancedScan(
  scanning: ScanningConfiguration,
  { name }: Repository,
  image: Parameters<typeof isContainerImage>[0],
): Pick<ScanStatus, "status" | "description"> | undefined {
  if (appliedScanning(scanning, name).frequency === "MANUAL") return undefined;
  if (isContainerImage(image)) return { status: "FAILED", description: notScanned };
  return { status: "UNSUPPORTED_IMAGE", description: "The image is of a type that cannot be scanned." };
}
