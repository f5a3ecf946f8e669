import { type ClientConfig, clientConfig } from "../client-config.ts";
import { registryOfHost } from "../domain/registry/addresses.ts";
import { type Api, createApi } from "./api/client.ts";
import { findSigner, type Signer, webIdentitySigner } from "./api/credentials.ts";
import { hostIn, isAmong, registryHosts } from "./api/hosts.ts";
import { registryToken } from "./api/registry-token.ts";
import { createTokenCache } from "./api/token-cache.ts";
import { CommandFailed } from "./failure.ts";
import { readInput } from "./text.ts";

/**
 * kubelet's image credential provider (Kubernetes, "Kubelet CredentialProvider (v1)"): a request on stdin, a response on
 * stdout. What goes wrong is told on stderr, which kubelet logs.
 */
export async function provideCredentials({ config: file }: { config?: string }): Promise<void> {
  const request = requestIn(await readInput());
  const response = await respond(request, clientConfig({ file }));
  process.stdout.write(`${JSON.stringify(response)}\n`);
}

const group = "credentialprovider.kubelet.k8s.io";
const versions = ["v1", "v1beta1", "v1alpha1"].map((version) => `${group}/${version}`);

/** On a service account: the role that its pods' images are pulled as. EKS's own spelling serves as well. */
const roleAnnotations = ["berth/role-arn", "eks.amazonaws.com/role-arn"];

interface ProviderRequest {
  readonly apiVersion: string;
  readonly image: string;
  /** Of the pod whose image is pulled, where kubelet's configuration asks for it. */
  readonly serviceAccountToken?: string;
  readonly serviceAccountAnnotations: Readonly<Record<string, unknown>>;
}

/** Nothing of the input is quoted in what is said about it: it may hold a token. */
function requestIn(text: string): ProviderRequest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new CommandFailed("standard input has no CredentialProviderRequest: it is not JSON");
  }
  const { kind, apiVersion, image, serviceAccountToken, serviceAccountAnnotations } = objectOr(parsed);
  if (kind !== "CredentialProviderRequest" || typeof image !== "string") {
    throw new CommandFailed("standard input has no CredentialProviderRequest with an image");
  }
  if (typeof apiVersion !== "string" || !versions.includes(apiVersion)) {
    throw new CommandFailed(`apiVersion must be one of ${versions.join(", ")}`);
  }
  return {
    apiVersion,
    image,
    serviceAccountToken: typeof serviceAccountToken === "string" ? serviceAccountToken || undefined : undefined,
    serviceAccountAnnotations: objectOr(serviceAccountAnnotations),
  };
}

function objectOr(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

async function respond(request: ProviderRequest, config: ClientConfig) {
  const head = { apiVersion: request.apiVersion, kind: "CredentialProviderResponse", cacheKeyType: "Registry" };
  const host = hostIn(request.image);
  // Another registry's image: kubelet goes on to the next provider, or without credentials.
  if (!host || !isAmong(registryHosts(config), host)) return { ...head, cacheDuration: "0s", auth: {} };

  const api = createApi(config);
  const signer = await signerFor(request, config, api);
  const cache = config.cacheDirectory ? createTokenCache(config.cacheDirectory) : undefined;
  const { password, renewAt } = await registryToken({ api, config, cache }, signer, registryOfHost(host));
  const seconds = Math.max(0, Math.floor((renewAt.getTime() - Date.now()) / 1000));
  return { ...head, cacheDuration: `${seconds}s`, auth: { [host]: { username: "AWS", password } } };
}

/** A pod's image is pulled as the role of its service account, where kubelet sends its token, and never as the node then. */
async function signerFor(request: ProviderRequest, config: ClientConfig, api: Api): Promise<Signer> {
  const { serviceAccountToken: token, serviceAccountAnnotations: annotations } = request;
  if (token !== undefined) {
    const annotated = roleAnnotations.map((name) => annotations[name]).find((value) => typeof value === "string");
    const roleArn = (annotated as string | undefined) ?? config.roleArn;
    if (roleArn) return webIdentitySigner(api, { token, roleArn });
    throw new CommandFailed(
      `the service account has none of the annotations ${roleAnnotations.join(" and ")}, or kubelet's tokenAttributes do not name them`,
    );
  }
  const signer = await findSigner(config, api);
  if (signer) return signer;
  throw new CommandFailed(
    "there is no key pair: kubelet's configuration sends no service account token, and neither its `env` nor a credentials file has one",
  );
}
