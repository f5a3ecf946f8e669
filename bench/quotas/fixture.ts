import { randomBytes } from "node:crypto";
import { Connection } from "../load/connection.ts";
import { type Descriptor, mediaTypes, RegistryClient } from "../load/registry-client.ts";
import { createSigner, type Signer } from "../load/signer.ts";
import { key } from "../peers/berth.ts";
import type { Peer } from "../peers/index.ts";

export const repositoryName = "bench/quotas";
const imageCount = 100;
const layersPerImage = 4;

/** What the load reads: images that stay, and their layers. */
export interface Fixture {
  readonly signer: Signer;
  readonly tags: readonly string[];
  /** The layers of each image. */
  readonly layers: readonly (readonly string[])[];
  /** A manifest of a new image over layers that are there. */
  manifest(number: number): string;
  /** A call outside the load. */
  call<Output>(operation: string, input: object): Promise<Output>;
}

export async function createFixture({ origin, authorization }: Peer): Promise<Fixture> {
  const client = new RegistryClient(origin, authorization);
  const connection = new Connection(origin);
  const signer = createSigner({ ...key, host: new URL(origin).host });
  const config = await client.pushBlob(repositoryName, Buffer.from("{}"), mediaTypes.config);
  const images: Descriptor[][] = [];
  for (let number = 0; number < imageCount; number++) {
    const layers: Descriptor[] = [];
    for (let layer = 0; layer < layersPerImage; layer++) {
      layers.push(await client.pushBlob(repositoryName, randomBytes(1024)));
    }
    await client.pushManifest(repositoryName, `kept-${number}`, config, layers);
    images.push(layers);
  }
  client.close();

  return {
    signer,
    tags: images.map((_, number) => `kept-${number}`),
    layers: images.map((layers) => layers.map(({ digest }) => digest)),
    manifest(number) {
      const annotations = { "dev.berth.bench": String(number) };
      const layers = images[number % images.length];
      return JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers, annotations });
    },
    async call<Output>(operation: string, input: object) {
      const answer = await connection.ask(signer(operation, input));
      if (answer.status !== 200) throw new Error(`${operation}: ${answer.status} ${answer.body}`);
      return JSON.parse(answer.body.toString()) as Output;
    },
  };
}
