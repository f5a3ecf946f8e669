import type { Image, ImageState, Nouns, Repository } from "./ports.ts";
import { isContainerImage, isSigned } from "./scanned-images.ts";
import { failedScan, isScannedOnPush, isScannedToday } from "./scanning.ts";
import { signingsOf } from "./signing.ts";

/** What the registry's configuration says of images that come, in the transaction that brings them. */

type Pushed = Pick<Image, "id" | "mediaType" | "artifactType" | "subject">;

export async function followPush(
  { registryConfigurations, imageScans, imageSignings }: Nouns,
  repository: Repository,
  image: Pushed,
  { at, isReplica }: { readonly at: Date; readonly isReplica: boolean },
): Promise<void> {
  const isScannable = isContainerImage(image);
  // A replica was signed where it was pushed, and its signatures come after it.
  const isSignable = !isReplica && isSigned(image);
  if (!isScannable && !isSignable) return;
  const { scanning, signing } = await registryConfigurations.find(repository.registry);
  if (isScannable && isScannedOnPush(scanning, repository)) await imageScans.put(image.id, failedScan(at));
  const signings = isSignable && signing ? signingsOf(signing, repository.name) : [];
  if (signings.length > 0) await imageSignings.put(image.id, signings);
}

/** What comes back from the archive counts as pushed for scans, and has its signatures. */
export async function followRestore(
  { registryConfigurations, images, imageScans }: Nouns,
  repository: Repository,
  restored: readonly Pick<ImageState, "digest">[],
  at: Date,
): Promise<void> {
  if (restored.length === 0) return;
  const { scanning } = await registryConfigurations.find(repository.registry);
  if (!isScannedOnPush(scanning, repository)) return;
  const found = await images.findMany(
    repository.id,
    restored.map(({ digest }) => digest),
  );
  for (const image of found.filter(isContainerImage)) {
    if (!isScannedToday(await imageScans.find(image.id), at)) await imageScans.put(image.id, failedScan(at));
  }
}
