import { type ClientConfig, clientConfig } from "../client-config.ts";
import { type Config, loadConfig, publicUrlOf } from "../config.ts";
import { createApi } from "./api/client.ts";
import { findSigner } from "./api/credentials.ts";
import { CommandFailed } from "./failure.ts";
import { reachedBy } from "./text.ts";

/** A page of a thousand images with their tags and reasons, which may be planned behind others. */
const limits = { timeoutMs: 120_000, maxAnswerBytes: 32 * 1024 * 1024 };

/** Asks an operation of the server's own API, with the key pair of this shell. @throws CallFailed */
export type Ask = <Output>(operation: string, input: object) => Promise<Output>;

export async function openOwnApi(file: string | undefined): Promise<Ask> {
  const config = configFor(loadConfig({ file }));
  const api = createApi(config, limits);
  const signer = await findSigner(config, api);
  if (!signer) throw new CommandFailed("there is no key pair to ask with: set AWS_ACCESS_KEY_ID, or AWS_PROFILE");
  return async (operation, input) =>
    api.json({ service: "berth", target: `Berth_V1.${operation}`, input, keys: await signer.keys() });
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

/** Where nobody has said where to ask, the Berth of the settings is asked, as by `berth env`. */
function configFor(server: Config): ClientConfig {
  const { region, data } = server;
  const given = clientConfig({ presets: { region, data } });
  if (given.endpoints.berth) return given;
  const endpoint = new URL(reachedBy(publicUrlOf(server), server));
  // The settings may be those of a folder that somebody else made, and a platform's token serves whoever gets it.
  return { ...clientConfig({ presets: { region, data, endpoint } }), webIdentity: undefined };
}
