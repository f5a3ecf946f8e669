import { digestOf } from "../support/berth.ts";
import { badName, invalid, missingRepository, noDigest, type Rows } from "./row.ts";

const noUpload = "00000000-0000-4000-8000-000000000000";
const missingUpload = ["UploadNotFoundException", { uploadId: noUpload }] as const;
const part = new Uint8Array(8);

/** The way of content in and out by API. */
export const layerRows = {
  BatchCheckLayerAvailability: {
    async good(world) {
      const { repositoryName, layerDigest } = await world.image();
      return { repositoryName, layerDigests: [layerDigest, noDigest, "nonsense", ""] };
    },
    has: ["layers", "failures"],
    bad: { "a repository that is missing": missingRepository, "no digests": invalid({ layerDigests: [] }) },
  },
  InitiateLayerUpload: {
    good: async (world) => ({ repositoryName: await world.repository() }),
    has: ["uploadId", "partSize"],
    bad: { "a repository that is missing": missingRepository, "a name that breaks the rules": badName },
  },
  UploadLayerPart: {
    good: async (world) => ({ ...(await world.upload(0)), partFirstByte: 0, partLastByte: 7, layerPartBlob: part }),
    has: ["registryId", "repositoryName", "uploadId", "lastByteReceived"],
    bad: {
      "a repository that is missing": missingRepository,
      "an upload that is missing": missingUpload,
      "a gap": ["InvalidLayerPartException", { partFirstByte: 8, partLastByte: 15 }],
      "another length than is said": ["InvalidLayerPartException", { partLastByte: 9 }],
      "a position before the first": invalid({ partFirstByte: -1 }),
    },
  },
  CompleteLayerUpload: {
    good: async (world) => ({ ...(await world.upload(8)), layerDigests: [digestOf(part)] }),
    has: ["registryId", "repositoryName", "uploadId", "layerDigest"],
    bad: {
      "a repository that is missing": missingRepository,
      "an upload that is missing": missingUpload,
      "another digest": ["InvalidLayerException", { layerDigests: [noDigest] }],
      "no digests": invalid({ layerDigests: [] }),
      "an upload without parts": [
        "EmptyUploadException",
        async (good, world) => ({ ...good, ...(await world.upload(0)) }),
      ],
    },
  },
  GetDownloadUrlForLayer: {
    async good(world) {
      const { repositoryName, layerDigest } = await world.image();
      return { repositoryName, layerDigest };
    },
    has: ["downloadUrl", "layerDigest"],
    bad: {
      "a repository that is missing": missingRepository,
      "a layer that is missing": ["LayersNotFoundException", { layerDigest: noDigest }],
      "no digest": invalid({ layerDigest: "nonsense" }),
    },
  },
} satisfies Rows;
