import { randomBytes } from "node:crypto";
import { sha256 } from "../load/registry-client.ts";
import { type Fixture, repositoryName } from "./fixture.ts";
import { type Operation, quotas } from "./quotas.ts";

/** A call that is about to be made. */
export interface Call {
  readonly request: Uint8Array;
  /** What its answer makes possible. */
  succeeded?(body: Buffer): void;
  /** It was answered, well or not. */
  done?(): void;
}

/** `undefined` while there is nothing to make it with: nobody can complete an upload that nobody has begun. */
export type Source = () => Call | undefined;

/** A signature is good for five minutes. */
const signedForMs = 60_000;
const longUploads = 64;
/** Below ECR's 4,200 parts of an upload. */
const partsPerUpload = 4000;
/** How long images live that PutImage makes. */
const imagesLiveSeconds = 2;

interface Upload {
  readonly id: string;
  bytes: number;
  parts: number;
}

interface Completable {
  readonly uploadId: string;
  readonly digest: string;
}

/**
 * Where the calls of each operation come from. Reads are of images that stay, signed once a minute. 100 layers a second
 * of one part each are begun, filled and completed; the other 400 parts a second go to uploads that are never completed,
 * because every part but the last has at least 5 MiB in ECR, and 2.5 GB a second are a load of another kind.
 */
export async function createCalls(
  fixture: Fixture,
  partKib: number,
  multiple: number,
): Promise<Record<Operation, Source>> {
  const { signer } = fixture;
  const begun: string[] = [];
  const completable: Completable[] = [];
  const idle: Upload[] = [];
  const part = randomBytes(partKib * 1024);
  const partText = part.toString("base64");
  const put: string[] = [];
  let images = Date.now();

  async function begin(): Promise<string> {
    return (await fixture.call<{ uploadId: string }>("InitiateLayerUpload", { repositoryName })).uploadId;
  }

  function firstPart(uploadId: string) {
    const content = randomBytes(1024);
    const [partLastByte, layerPartBlob] = [content.length - 1, content.toString("base64")];
    const input = { repositoryName, uploadId, partFirstByte: 0, partLastByte, layerPartBlob };
    return { input, succeeded: () => completable.push({ uploadId, digest: sha256(content) }) };
  }

  function nextPart(upload: Upload): Call {
    const request = signer("UploadLayerPart", {
      repositoryName,
      uploadId: upload.id,
      partFirstByte: upload.bytes,
      partLastByte: upload.bytes + part.length - 1,
      layerPartBlob: partText,
    });
    return {
      request,
      succeeded() {
        upload.bytes += part.length;
        upload.parts++;
      },
      done() {
        if (upload.parts < partsPerUpload) idle.push(upload);
      },
    };
  }

  // A second's worth of uploads at each stage, so that no operation waits for the one before it.
  for (let number = 0; number < quotas.InitiateLayerUpload * multiple; number++) {
    begun.push(await begin());
    const { input, succeeded } = firstPart(await begin());
    await fixture.call("UploadLayerPart", input);
    succeeded();
  }
  while (idle.length < longUploads) idle.push({ id: await begin(), bytes: 0, parts: 0 });

  return {
    GetAuthorizationToken: signedInAdvance(1, () => signer("GetAuthorizationToken", {})),
    BatchCheckLayerAvailability: signedInAdvance(fixture.layers.length, (index) =>
      signer("BatchCheckLayerAvailability", { repositoryName, layerDigests: fixture.layers[index] }),
    ),
    BatchGetImage: signedInAdvance(fixture.tags.length, (index) =>
      signer("BatchGetImage", { repositoryName, imageIds: [{ imageTag: fixture.tags[index] }] }),
    ),
    GetDownloadUrlForLayer: signedInAdvance(fixture.layers.length, (index) =>
      signer("GetDownloadUrlForLayer", { repositoryName, layerDigest: fixture.layers[index]?.[0] }),
    ),
    InitiateLayerUpload: () => ({
      request: signer("InitiateLayerUpload", { repositoryName }),
      succeeded: (body) => begun.push((JSON.parse(body.toString()) as { uploadId: string }).uploadId),
    }),
    UploadLayerPart() {
      const fresh = begun.shift();
      if (fresh !== undefined) {
        const { input, succeeded } = firstPart(fresh);
        return { request: signer("UploadLayerPart", input), succeeded };
      }
      const upload = idle.shift();
      return upload && nextPart(upload);
    },
    CompleteLayerUpload() {
      const upload = completable.shift();
      if (!upload) return undefined;
      const input = { repositoryName, uploadId: upload.uploadId, layerDigests: [upload.digest] };
      return { request: signer("CompleteLayerUpload", input) };
    },
    PutImage() {
      const imageTag = `put-${images++}`;
      const request = signer("PutImage", { repositoryName, imageTag, imageManifest: fixture.manifest(images) });
      return { request, succeeded: () => put.push(imageTag) };
    },
    BatchDeleteImage() {
      const isOldEnough = put.length > quotas.PutImage * multiple * imagesLiveSeconds;
      const imageTag = isOldEnough ? put.shift() : undefined;
      if (imageTag === undefined) return undefined;
      return { request: signer("BatchDeleteImage", { repositoryName, imageIds: [{ imageTag }] }) };
    },
  };
}

function signedInAdvance(variants: number, sign: (index: number) => Buffer): Source {
  const signed: { request: Buffer; at: number }[] = [];
  let next = 0;
  return () => {
    const index = next++ % variants;
    const now = performance.now();
    let known = signed[index];
    if (!known || now - known.at > signedForMs) {
      known = { request: sign(index), at: now };
      signed[index] = known;
    }
    return known;
  };
}
