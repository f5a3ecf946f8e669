import type { ClientConfig } from "../../client-config.ts";
import { createApi } from "../api/client.ts";
import { findSigner } from "../api/credentials.ts";
import { CommandFailed } from "../failure.ts";

/** A page of a thousand repositories, and no policy longer than ECR takes. */
const limits = { timeoutMs: 60_000, maxAnswerBytes: 32 * 1024 * 1024 };

/** The API of ECR or of a Berth, as whoever the configuration says. */
export interface EcrApi {
  readonly endpoint: URL;
  readonly config: ClientConfig;
  /** @throws CallFailed */
  ask<Output>(operation: string, input: object): Promise<Output>;
  /** All items of a list that comes in pages. */
  all<Item>(operation: string, input: object, member: string): AsyncIterable<Item>;
}

export async function openEcrApi(config: ClientConfig, whose: string): Promise<EcrApi> {
  const endpoint = config.endpoints.ecr;
  if (!endpoint) throw new CommandFailed(`nobody has said where ${whose} is: set AWS_ENDPOINT_URL`);
  const api = createApi(config, limits);
  const signer = await findSigner(config, api);
  if (!signer)
    throw new CommandFailed(`there is no key pair to ask ${whose} with: set AWS_ACCESS_KEY_ID, or name a profile`);

  async function ask<Output>(operation: string, input: object): Promise<Output> {
    const keys = await signer?.keys();
    if (!keys) throw new CommandFailed(`there is no key pair to ask ${whose} with`);
    return api.json<Output>({
      service: "ecr",
      target: `AmazonEC2ContainerRegistry_V20150921.${operation}`,
      input,
      keys,
    });
  }

  return {
    endpoint,
    config,
    ask,
    async *all<Item>(operation: string, input: object, member: string) {
      for (let nextToken: string | undefined; ; ) {
        const page = await ask<Record<string, unknown>>(operation, { ...input, maxResults: 1000, nextToken });
        yield* (page[member] as Item[] | undefined) ?? [];
        nextToken = typeof page.nextToken === "string" ? page.nextToken : undefined;
        if (nextToken === undefined) return;
      }
    },
  };
}
