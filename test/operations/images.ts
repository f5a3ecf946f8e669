import {
  PutImageTagMutabilityCommand,
  StartImageScanCommand,
  UpdateImageStorageClassCommand,
} from "@aws-sdk/client-ecr";
import {
  badName,
  invalid,
  missingImage,
  missingRepository,
  noDigest,
  noImageId,
  type PushedImage,
  type Rows,
  type World,
} from "./row.ts";

const oneImage = async (world: World) => imageIdOf(await world.image());
const imageIdOf = ({ repositoryName, imageTag }: PushedImage) => ({ repositoryName, imageId: { imageTag } });

async function imageIds(world: World) {
  const { repositoryName, imageDigest, imageTag } = await world.image();
  const bad = [{ imageDigest: noDigest }, { imageDigest: "nonsense" }, {}, { imageTag: "missing" }];
  return { repositoryName, imageIds: [{ imageDigest }, { imageTag }, ...bad] };
}

const noIds = invalid({ imageIds: [] });
const forgedToken = invalid({ nextToken: "forged" });

/** Images, whatever is asked of them. */
export const imageRows = {
  PutImage: {
    async good(world) {
      const { repositoryName, imageManifest } = await world.image();
      return { repositoryName, imageManifest, imageTag: "another" };
    },
    has: ["image"],
    bad: {
      "a repository that is missing": missingRepository,
      "what is there already": ["ImageAlreadyExistsException", { imageTag: "v1" }],
      "a manifest that is none": invalid({ imageManifest: "nonsense" }),
      "a tag that is none": invalid({ imageTag: ".hidden" }),
      "another digest": ["ImageDigestDoesNotMatchException", { imageDigest: noDigest }],
      "layers that are missing": [
        "LayersNotFoundException",
        async (good, world) => ({ ...good, repositoryName: await world.repository() }),
      ],
      "parts of an index that are missing": [
        "ReferencedImagesNotFoundException",
        (good) => {
          const mediaType = "application/vnd.oci.image.index.v1+json";
          const manifests = [{ mediaType: JSON.parse(good.imageManifest ?? "").mediaType, digest: noDigest, size: 1 }];
          return { ...good, imageManifest: JSON.stringify({ schemaVersion: 2, mediaType, manifests }) };
        },
      ],
      "a tag that cannot be moved": [
        "ImageTagAlreadyExistsException",
        async (good, world) => {
          const { repositoryName } = good;
          await world.send(new PutImageTagMutabilityCommand({ repositoryName, imageTagMutability: "IMMUTABLE" }));
          return { ...good, imageTag: "v1" };
        },
      ],
    },
  },
  BatchGetImage: {
    good: imageIds,
    has: ["images", "failures"],
    bad: { "a repository that is missing": missingRepository, "no images": noIds },
  },
  BatchDeleteImage: {
    good: imageIds,
    has: ["imageIds", "failures"],
    bad: { "a repository that is missing": missingRepository, "no images": noIds },
  },
  DescribeImages: {
    async good(world) {
      const { repositoryName, imageTag } = await world.image();
      return { repositoryName, imageIds: [{ imageTag }] };
    },
    has: ["imageDetails"],
    bad: {
      "a repository that is missing": missingRepository,
      "an image that is missing": ["ImageNotFoundException", { imageIds: [{ imageTag: "missing" }] }],
      "no images": noIds,
      "images and a page": invalid({ maxResults: 1 }),
      "another's token": invalid({ imageIds: undefined, nextToken: "forged" }),
    },
  },
  ListImages: {
    good: async (world) => ({ repositoryName: (await world.image()).repositoryName, filter: { tagStatus: "TAGGED" } }),
    has: ["imageIds"],
    bad: {
      "a repository that is missing": missingRepository,
      "another's token": forgedToken,
      "an unknown filter": invalid({ filter: { tagStatus: "SOME" } }),
    },
  },
  ListImageReferrers: {
    async good(world) {
      const { repositoryName, imageDigest } = await world.image();
      return { repositoryName, subjectId: { imageDigest } };
    },
    has: ["referrers"],
    bad: {
      "a repository that is missing": missingRepository,
      "a subject that is none": invalid({ subjectId: { imageDigest: "nonsense" } }),
      "a page that is too long": invalid({ maxResults: 51 }),
    },
  },
  UpdateImageStorageClass: {
    good: async (world) => ({ ...(await oneImage(world)), targetStorageClass: "ARCHIVE" }),
    has: ["registryId", "repositoryName", "imageId", "imageStatus"],
    bad: {
      "a repository that is missing": missingRepository,
      "an image that is missing": missingImage,
      "no image": noImageId,
      "an unknown class": invalid({ targetStorageClass: "COLD" }),
    },
  },
  PutImageScanningConfiguration: {
    good: async (world) => ({
      repositoryName: await world.repository(),
      imageScanningConfiguration: { scanOnPush: true },
    }),
    has: ["registryId", "repositoryName", "imageScanningConfiguration"],
    bad: { "a repository that is missing": missingRepository, "a name that breaks the rules": badName },
  },
  StartImageScan: {
    good: oneImage,
    has: ["registryId", "repositoryName", "imageId", "imageScanStatus"],
    bad: {
      "a repository that is missing": missingRepository,
      "an image that is missing": missingImage,
      "no image": noImageId,
      "a second scan on one day": [
        "LimitExceededException",
        async (good, world) => {
          await world.send(new StartImageScanCommand(good));
          return good;
        },
      ],
      "an image in the archive": [
        "ImageArchivedException",
        async (good, world) => {
          await world.send(new UpdateImageStorageClassCommand({ ...good, targetStorageClass: "ARCHIVE" }));
          return good;
        },
      ],
      "what is no image": [
        "UnsupportedImageTypeException",
        async (_, world) => imageIdOf(await world.image({ artifactType: "application/vnd.example.chart" })),
      ],
    },
  },
  DescribeImageScanFindings: {
    async good(world) {
      const input = await oneImage(world);
      await world.send(new StartImageScanCommand(input));
      return input;
    },
    has: ["registryId", "repositoryName", "imageId", "imageScanStatus"],
    bad: {
      "a repository that is missing": missingRepository,
      "an image that is missing": missingImage,
      "no image": noImageId,
      "an image that was not scanned": ["ScanNotFoundException", (_, world) => oneImage(world)],
      "another's token": forgedToken,
    },
  },
  DescribeImageSigningStatus: {
    good: oneImage,
    has: ["registryId", "repositoryName", "imageId", "signingStatuses"],
    bad: {
      "a repository that is missing": missingRepository,
      "an image that is missing": missingImage,
      "no image": noImageId,
    },
  },
} satisfies Rows;
