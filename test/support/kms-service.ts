import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";

/**
 * A small AWS KMS of our own: `Encrypt` and `Decrypt` over JSON 1.1, with signatures verified from the specification
 * (Signature Version 4) and nothing of ours or of the SDK, STS's AssumeRoleWithWebIdentity, and the place where a platform
 * gives credentials (`GET /credentials`).
 */
export interface KmsService extends AsyncDisposable {
  readonly url: string;
  readonly region: string;
  /** By ARN. */
  readonly keys: Map<string, { readonly secret: Buffer; disabled?: boolean }>;
  /** ARNs by alias. */
  readonly aliases: Map<string, string>;
  /** By access key id. */
  readonly users: Map<string, { readonly secret: string; readonly token?: string; expired?: boolean }>;
  /** What was asked, in turn. */
  readonly asked: Asked[];
  /** Take the place of the next answers, one each; `undefined` lets one be as it is. */
  readonly lies: (Lie | undefined)[];
  /** Whether encryption contexts are passed over. */
  isCareless: boolean;
  /** How long the credentials of a web identity last. */
  lifetimeSeconds: number;
  newKey(): string;
  stop(): Promise<void>;
}

export interface Asked {
  readonly operation: string;
  readonly input: Record<string, unknown>;
}

export type Lie = (honest: () => Promise<Response>) => Response | Promise<Response>;

interface Input {
  readonly KeyId: string;
  readonly Plaintext: string;
  readonly CiphertextBlob: string;
  readonly EncryptionContext?: Record<string, string>;
}

interface Refused {
  readonly code: string;
  readonly message?: string;
  readonly status?: number;
}

const refuse = (code: string, message?: string, status = 400): never => {
  throw { code, message, status } satisfies Refused;
};

export function startKms({ clock = () => new Date(), region = "eu-west-1", port = 0 } = {}): KmsService {
  const kms = {
    region,
    keys: new Map(),
    aliases: new Map(),
    users: new Map([["AKIDOFTEST", { secret: "secret-of-test" }]]),
    asked: [],
    lies: [],
    isCareless: false,
    lifetimeSeconds: 3600,
  } as unknown as { -readonly [Key in keyof KmsService]: KmsService[Key] };

  const contextOf = ({ EncryptionContext = {} }: Input) =>
    Buffer.from(JSON.stringify(kms.isCareless ? [] : Object.entries(EncryptionContext).sort()));

  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = await request.text();
      const honest = async () => {
        if (request.method === "GET") return give(request);
        const isQuery = request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded");
        return isQuery ? assume(new URLSearchParams(body)) : answer(request, body);
      };
      const lie = kms.lies.shift();
      return lie ? await lie(honest) : await honest();
    },
  });

  async function answer(request: Request, body: string): Promise<Response> {
    try {
      verify(request, body);
      const input = JSON.parse(body);
      const operation = request.headers.get("x-amz-target") ?? "";
      kms.asked.push({ operation, input });
      return Response.json(perform(operation, input), { headers: { "content-type": "application/x-amz-json-1.1" } });
    } catch (error) {
      const { code, message, status } = error as Refused;
      if (code === undefined) throw error;
      return Response.json({ __type: code, message }, { status: status ?? 400 });
    }
  }

  function perform(operation: string, input: Input): object {
    switch (operation) {
      case "TrentService.Encrypt": {
        const [arn, secret] = find(input.KeyId);
        const nonce = randomBytes(12);
        const cipher = createCipheriv("aes-256-gcm", secret, nonce).setAAD(contextOf(input));
        const sealed = [cipher.update(Buffer.from(input.Plaintext, "base64")), cipher.final(), cipher.getAuthTag()];
        const blob = Buffer.concat([Buffer.from([arn.length]), Buffer.from(arn), nonce, ...sealed]);
        return { CiphertextBlob: blob.toString("base64"), KeyId: arn, EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
      }
      case "TrentService.Decrypt": {
        const blob = Buffer.from(input.CiphertextBlob, "base64");
        const arn = blob.toString("utf8", 1, 1 + (blob[0] ?? 0));
        const [asked, secret] = find(input.KeyId);
        if (!kms.keys.has(arn)) refuse("InvalidCiphertextException");
        if (asked !== arn)
          refuse(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
          );
        const rest = blob.subarray(1 + arn.length);
        try {
          const decipher = createDecipheriv("aes-256-gcm", secret, rest.subarray(0, 12)).setAAD(contextOf(input));
          decipher.setAuthTag(rest.subarray(-16));
          const plaintext = Buffer.concat([decipher.update(rest.subarray(12, -16)), decipher.final()]);
          return { Plaintext: plaintext.toString("base64"), KeyId: arn, EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
        } catch {
          return refuse("InvalidCiphertextException");
        }
      }
      default:
        return refuse("UnknownOperationException");
    }
  }

  function find(reference: string): [arn: string, secret: Buffer] {
    const name = reference.replace(/^arn:aws:kms:[^:]*:\d*:(?=alias\/)/, "");
    const arn = kms.aliases.get(name) ?? [...kms.keys.keys()].find((key) => key === name || key.endsWith(`/${name}`));
    const key = arn !== undefined && kms.keys.get(arn);
    if (!key || arn === undefined) return refuse("NotFoundException", `Key '${reference}' does not exist`);
    if (key.disabled) return refuse("DisabledException", `${arn} is disabled.`);
    return [arn, key.secret];
  }

  function verify(request: Request, body: string): void {
    const { headers } = request;
    const [, id = "", date = "", scopeRegion = "", names = "", signature = ""] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
        headers.get("authorization") ?? "",
      ) ?? [];
    const user =
      kms.users.get(id) ??
      refuse("UnrecognizedClientException", "The security token included in the request is invalid.");
    if (user.expired) refuse("ExpiredTokenException", "The security token included in the request is expired");
    if ((headers.get("x-amz-security-token") ?? undefined) !== user.token)
      refuse("UnrecognizedClientException", "token");
    const time = headers.get("x-amz-date") ?? "";
    const at = Date.parse(time.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5"));
    if (!(Math.abs(clock().getTime() - at) < 300_000)) refuse("InvalidSignatureException", "Signature expired");
    for (const needed of ["host", "x-amz-date", "x-amz-target", ...(user.token ? ["x-amz-security-token"] : [])]) {
      if (!names.split(";").includes(needed)) refuse("InvalidSignatureException", `${needed} is not signed`);
    }
    const canonical = [
      "POST",
      "/",
      "",
      ...names.split(";").map((name) => `${name}:${headers.get(name)}`),
      "",
      names,
      createHash("sha256").update(body).digest("hex"),
    ].join("\n");
    const scope = `${date}/${scopeRegion}/kms/aws4_request`;
    const text = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
    const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
    const signingKey = [date, scopeRegion, "kms", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${user.secret}`);
    const isRight = hmac(signingKey, text).toString("hex") === signature && scopeRegion === region;
    // AWS shows what it reckoned with, the token included.
    if (!isRight)
      refuse("InvalidSignatureException", `The request signature we calculated does not match.\n${canonical}`);
  }

  function assume(input: URLSearchParams): Response {
    kms.asked.push({ operation: input.get("Action") ?? "", input: Object.fromEntries(input) });
    const error = (code: string, message: string) =>
      new Response(`<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`, {
        status: 400,
        headers: { "content-type": "text/xml" },
      });
    if (input.get("WebIdentityToken") !== "token-of-workload") return error("InvalidIdentityToken", "It is not known");
    const { id, secret, token, expiration } = newCredentials();
    return new Response(
      `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
        <AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey>
        <SessionToken>${token}</SessionToken><Expiration>${expiration}</Expiration>
      </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
      { headers: { "content-type": "text/xml" } },
    );
  }

  function give({ url, headers }: Request): Response {
    kms.asked.push({ operation: new URL(url).pathname, input: {} });
    const refusal = { code: "AccessDeniedException", message: `${headers.get("authorization")} is not known` };
    if (headers.get("authorization") !== "token-of-workload") return Response.json(refusal, { status: 403 });
    const { id, secret, token, expiration } = newCredentials();
    return Response.json({ AccessKeyId: id, SecretAccessKey: secret, Token: token, Expiration: expiration });
  }

  function newCredentials() {
    const id = `ASIA${randomBytes(8).toString("hex")}`;
    const [secret, token] = [randomBytes(20).toString("hex"), randomBytes(40).toString("base64")];
    kms.users.set(id, { secret, token });
    return { id, secret, token, expiration: new Date(clock().getTime() + kms.lifetimeSeconds * 1000).toISOString() };
  }

  const stop = async () => server.stop(true);
  return Object.assign(kms, {
    url: `http://127.0.0.1:${server.port}`,
    newKey() {
      const arn = `arn:aws:kms:${region}:111122223333:key/${crypto.randomUUID()}`;
      kms.keys.set(arn, { secret: randomBytes(32) });
      return arn;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  });
}
