import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Digest, RepositoryName } from "../names.ts";
import type { ImageFacts } from "./image-facts.ts";
import { type ImageReference, imageNotFound, resolveImage } from "./image-references.ts";
import type { Metadata } from "./ports.ts";
import { existing } from "./repositories.ts";
import type { ImageSigning, SigningConfiguration } from "./scanning-ports.ts";
import { matchesWildcard } from "./tag-mutability.ts";

/**
 * Which images are to be signed when they are pushed, and what came of it. There is no signer: each signature that a rule
 * asks for fails and says so, and the push itself succeeds, as it does in ECR where a signature cannot be made.
 */

/** Each method acts in the registry of the grant. */
export interface SigningService {
  /** @throws SigningConfigurationNotFound */
  configuration(granted: Granted): Promise<SigningConfiguration>;
  /** Replaces all of it. @throws Validation for a profile of another region */
  configure(granted: Granted, configuration: SigningConfiguration): Promise<void>;
  /** Answers what is gone. @throws SigningConfigurationNotFound */
  remove(granted: Granted): Promise<SigningConfiguration>;
  /** One for each profile that a rule named when the image was pushed. @throws ImageNotFound */
  statusOf(
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
  ): Promise<{ readonly digest: Digest; readonly signings: readonly ImageSigning[] }>;
}

export interface SigningParts {
  readonly metadata: Metadata;
  readonly imageFacts: ImageFacts;
}

export function createSigning({ metadata, imageFacts }: SigningParts): SigningService {
  return {
    async configuration({ registry }) {
      const { signing } = await metadata.read.registryConfigurations.find(registry);
      if (!signing) throw refuse("SigningConfigurationNotFound", { registry });
      return signing;
    },
    async configure({ registry }, signing) {
      const elsewhere = signing.rules.find(({ profile }) => profile.split(":")[3] !== registry.region);
      if (elsewhere) {
        const reason = `The signing profile ${elsewhere.profile} is not in the region of the registry, ${registry.region}`;
        throw refuse("Validation", { reason });
      }
      await metadata.transact(({ registryConfigurations }) => registryConfigurations.put(registry, { signing }));
    },
    async remove({ registry }) {
      const removed = await metadata.transact(({ registryConfigurations }) =>
        registryConfigurations.deleteSigning(registry),
      );
      if (!removed) throw refuse("SigningConfigurationNotFound", { registry });
      return removed;
    },
    async statusOf(granted, name, reference) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      const image = await resolveImage(metadata.read, repository.id, reference);
      if (!image) throw imageNotFound(granted.registry, name, reference);
      await imageFacts.confirmFound(granted, image, reference.tag);
      return { digest: image.digest, signings: await metadata.read.imageSignings.find(image.id) };
    },
  };
}

/** What becomes of the signatures that the rules want for an image of this repository: one for each profile. */
export function signingsOf({ rules }: SigningConfiguration, name: RepositoryName): ImageSigning[] {
  const wanted = rules.filter(({ filters }) => filters?.some((filter) => matchesWildcard(filter, name)) ?? true);
  return [...new Set(wanted.map(({ profile }) => profile))].map((profile) => ({
    profile,
    status: "FAILED",
    failureCode: "SignerNotConfigured",
    failureReason: "The image was not signed: no signer is configured.",
  }));
}
