import { type ClientConfig, clientConfig } from "../client-config.ts";
import { registryOfHost } from "../domain/registry/addresses.ts";
import { createApi } from "./api/client.ts";
import { findSigner } from "./api/credentials.ts";
import { hostIn, isAmong, registryHosts } from "./api/hosts.ts";
import { registryToken } from "./api/registry-token.ts";
import { createTokenCache } from "./api/token-cache.ts";
import { CommandFailed, describeFailure } from "./failure.ts";
import { readInput } from "./text.ts";
import { version } from "./version.ts";

/** Docker takes this text for "there are none", and goes on without credentials. Any other one is an error. */
const notFound = "credentials not found in native keychain";

class NotFound extends Error {
  override readonly message = notFound;
}

/** The answer to an action is what a helper prints; nothing of it is ever a key pair, only tokens. */
const actions: Record<string, (input: string, config: () => ClientConfig) => string | Promise<string>> = {
  get: async (server, config) => JSON.stringify(await credentialsFor(server, config())),
  list: (_input, config) => {
    const hosts = registryHosts(config()).filter((host) => !host.includes("*"));
    return JSON.stringify(Object.fromEntries(hosts.map((host) => [host, "AWS"])));
  },
  // There is nothing to keep: whoever may have a token gets one. Docker calls this after each login.
  store: () => "",
  // What `docker logout` calls. A token that the server does not take any more goes with it.
  erase: async (_server, config) => {
    const { cacheDirectory, endpoints } = config();
    if (cacheDirectory && endpoints.ecr) await createTokenCache(cacheDirectory).forget(endpoints.ecr.origin);
    return "";
  },
  version: () => `docker-credential-berth ${version}`,
};

/** The protocol of Docker's credential helpers: an action as argument, input on stdin, answers and errors on stdout. */
export async function dockerCredential(action: string, { config: file }: { config?: string }): Promise<void> {
  try {
    const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!act) throw new CommandFailed(`usage: docker-credential-berth <${Object.keys(actions).join("|")}>`);
    const input = action === "version" || action === "list" ? "" : await readInput();
    const answer = await act(input, () => clientConfig({ file }));
    if (answer !== "") process.stdout.write(`${answer}\n`);
  } catch (error) {
    process.stdout.write(`${error instanceof NotFound ? notFound : describeFailure(error)}\n`);
    process.exitCode = 1;
  }
}

async function credentialsFor(server: string, config: ClientConfig) {
  const serverUrl = server.trim();
  const host = hostIn(serverUrl);
  if (!host || !isAmong(registryHosts(config), host)) throw new NotFound();
  const api = createApi(config);
  const signer = await findSigner(config, api);
  if (!signer) {
    // Docker shows what a helper says here, and goes on.
    process.stderr.write(`docker-credential-berth: there is no key pair to ask ${host} with\n`);
    throw new NotFound();
  }
  const cache = config.cacheDirectory ? createTokenCache(config.cacheDirectory) : undefined;
  const { password } = await registryToken({ api, config, cache }, signer, registryOfHost(host));
  return { ServerURL: serverUrl, Username: "AWS", Secret: password };
}
