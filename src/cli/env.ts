import { type Config, loadConfig, publicUrlOf } from "../config.ts";
import { findRootKey } from "../upkeep.ts";
import { CommandFailed } from "./failure.ts";
import { reachedBy, shellQuote } from "./text.ts";

/** `eval "$(berth env)"`: this shell's AWS CLI and SDKs talk to Berth. */
export async function printEnv({ config: file }: { config?: string }): Promise<void> {
  const config = loadConfig({ file });
  const rootKey = await findRootKey(config);
  if (!rootKey) {
    throw new CommandFailed(`there is no root key pair in ${config.data} yet; the first \`berth serve\` makes it`);
  }
  printExports(config, config.account, rootKey);
}

/** What points this shell's AWS CLI and SDKs at an account of the registry. */
export function printExports(
  config: Config,
  account: string,
  rootKey: { readonly accessKeyId: string; readonly secretAccessKey: string },
): void {
  const variables = {
    AWS_ENDPOINT_URL: reachedBy(publicUrlOf(config), { account, region: config.region }),
    AWS_ACCESS_KEY_ID: rootKey.accessKeyId,
    AWS_SECRET_ACCESS_KEY: rootKey.secretAccessKey,
    AWS_DEFAULT_REGION: config.region,
    // Newer SDKs look at this one only, and one that is left from another session would win.
    AWS_REGION: config.region,
  };
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${shellQuote(value)}`);
  console.log(`export ${assignments.join(" ")}`);
  // It belongs to other keys; sent with ours, it makes them invalid.
  console.log("unset AWS_SESSION_TOKEN");
}
