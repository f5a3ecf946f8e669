import type { EcrTokens } from "../domain/pull-through/ecr-sign-in.ts";
import { RemoteFailure } from "../domain/registry/remote-registry.ts";
import { signedHeaders } from "./aws-signing.ts";
import { objectIn } from "./keeper-calls.ts";
import { failureOf } from "./registry/failures.ts";
import type { Transport } from "./registry/transport.ts";

export interface EcrTokensParts {
  readonly clock: () => Date;
  /** Of the API, not of the registries. Left out: AWS. */
  readonly endpointOf?: (region: string) => URL;
  readonly transport: Transport;
}

const target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
const maxAnswerBytes = 64 * 1024;
const timeoutMs = 30_000;

/** GetAuthorizationToken of ECR at AWS (ECR API reference), for upstreams that are registries of ECR. */
export function createEcrTokens({
  clock,
  endpointOf = (region) => new URL(`https://api.ecr.${region}.amazonaws.com/`),
  transport,
}: EcrTokensParts): EcrTokens {
  return async (region, keys) => {
    const url = endpointOf(region);
    const body = "{}";
    const now = clock();
    const plain = { host: url.host, "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
    const headers = await signedHeaders(url, plain, body, { service: "ecr", region, keys, now });
    const signal = AbortSignal.timeout(timeoutMs);
    const reply = await transport.ask({ method: "POST", url, headers, body: new TextEncoder().encode(body), signal });
    const text = (await reply.whole(maxAnswerBytes)).toString("utf8");
    if (reply.status !== 200) {
      const { status } = reply;
      // AWS answers 400 to keys that it does not know.
      if (status === 400) throw new RemoteFailure("denied", `${url.host} refuses the access key`, { status });
      throw failureOf(
        url.host,
        { status, retryAfter: reply.headers["retry-after"], text },
        [keys.secretAccessKey],
        now,
      );
    }
    const [data] = [objectIn(text).authorizationData].flat() as (
      | { authorizationToken?: unknown; expiresAt?: unknown }
      | undefined
    )[];
    const { authorizationToken: token, expiresAt } = data ?? {};
    const [user, password] = typeof token === "string" ? Buffer.from(token, "base64").toString("utf8").split(":") : [];
    if (!user || !password || typeof expiresAt !== "number") {
      throw new RemoteFailure("nonsense", `${url.host} answered with no token`);
    }
    return { user, password, expiresAt: new Date(expiresAt * 1000) };
  };
}
