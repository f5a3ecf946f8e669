import type { Config } from "../config.ts";
import { openStores, type Stores } from "../opening.ts";

/** For a command that works on what the server keeps, beside the server or without it. */
export async function withStores<Result>(config: Config, work: (stores: Stores) => Promise<Result>): Promise<Result> {
  await using stores = await openStores(config, { mustExist: true });
  return await work(stores);
}
