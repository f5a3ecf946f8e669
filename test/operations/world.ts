import {
  CreateRepositoryCommand,
  type ECRClient,
  InitiateLayerUploadCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import type { InProcess } from "../support/berth.ts";
import type { Answer } from "../support/model.ts";
import type { World } from "./row.ts";

export interface Watched extends World {
  /** What came over the wire last. */
  newest(): Answer;
}

/** A Berth, and the SDK's client of it whose answers can be looked at as they came. */
export function watchedWorld(berth: InProcess): Watched {
  const client = berth.ecr();
  let newest: Answer | undefined;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const {
        statusCode: status,
        headers,
        body,
      } = result.response as {
        statusCode: number;
        headers: Record<string, string>;
        body: Uint8Array;
      };
      newest = { status, headers, text: new TextDecoder().decode(body) };
      return result;
    },
    { step: "deserialize", priority: "low" },
  );
  const send = client.send.bind(client) as ECRClient["send"];
  let made = 0;

  const world: Watched = {
    berth,
    send,
    newest() {
      if (!newest) throw new Error("nothing came yet");
      return newest;
    },
    async repository(settings = {}) {
      const repositoryName = `rows/r${++made}`;
      await send(new CreateRepositoryCommand({ repositoryName, ...settings }));
      return repositoryName;
    },
    async image(more) {
      const repositoryName = await world.repository();
      const imageTag = "v1";
      const pushed = await berth.pushImage(repositoryName, imageTag, `content of ${repositoryName}`, more);
      const layerDigest = JSON.parse(pushed.manifest).layers[0].digest;
      return { repositoryName, imageTag, imageDigest: pushed.digest, imageManifest: pushed.manifest, layerDigest };
    },
    async upload(sizeBytes = 0) {
      const repositoryName = await world.repository();
      const { uploadId = "" } = await send(new InitiateLayerUploadCommand({ repositoryName }));
      if (sizeBytes > 0) {
        const part = { partFirstByte: 0, partLastByte: sizeBytes - 1, layerPartBlob: new Uint8Array(sizeBytes) };
        await send(new UploadLayerPartCommand({ repositoryName, uploadId, ...part }));
      }
      return { repositoryName, uploadId };
    },
  };
  return world;
}
