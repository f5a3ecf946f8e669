import { type ClientConfig, clientConfig } from "../client-config.ts";
import { loadConfig, publicUrlOf } from "../config.ts";
import { createApi } from "./api/client.ts";
import { findSigner } from "./api/credentials.ts";
import { CommandFailed } from "./failure.ts";
import { reachedBy } from "./text.ts";

/** A page of a thousand images with their tags and reasons, which may be planned behind others. */
const limits = { timeoutMs: 120_000, maxAnswerBytes: 32 * 1024 * 1024 };

/** Asks the server, which knows who may be told. */
export type Ask = <Answer>(operation: string, input: object) => Promise<Answer>;

const targets = { berth: "Berth_V1", ecr: "AmazonEC2ContainerRegistry_V20150921" };

/** @param file the configuration file, where one was given */
export async function berthApi(file: string | undefined, service: keyof typeof targets = "berth"): Promise<Ask> {
  const config = berthConfig(file);
  const api = createApi(config, limits);
  const signer = await findSigner(config, api);
  if (!signer) throw new CommandFailed("there is no key pair to ask with: set AWS_ACCESS_KEY_ID, or AWS_PROFILE");
  return async <Answer>(operation: string, input: object) =>
    api.json<Answer>({ service, target: `${targets[service]}.${operation}`, input, keys: await signer.keys() });
}

/** Where nobody has said where to ask, the Berth of the settings is asked, as by `berth env`. */
export function berthConfig(file: string | undefined): ClientConfig {
  const server = loadConfig({ file });
  const { region, data } = server;
  const given = clientConfig({ presets: { region, data } });
  if (given.endpoints.berth) return given;
  const endpoint = new URL(reachedBy(publicUrlOf(server), server));
  // The settings may be those of a folder that somebody else made, and a platform's token serves whoever gets it.
  return { ...clientConfig({ presets: { region, data, endpoint } }), webIdentity: undefined };
}

/** All pages of a list. */
export async function* allOf<Item>(
  ask: Ask,
  operation: string,
  input: object,
  itemsOf: (page: Record<string, Item[]>) => Item[] | undefined,
): AsyncGenerator<Item> {
  for (let nextToken: string | undefined; ; ) {
    const page = await ask<Record<string, Item[]> & { nextToken?: string }>(operation, { ...input, nextToken });
    yield* itemsOf(page) ?? [];
    nextToken = page.nextToken;
    if (nextToken === undefined) return;
  }
}
