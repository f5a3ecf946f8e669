import { createHash } from "node:crypto";
import * as ecrSdk from "@aws-sdk/client-ecr";
import * as iamSdk from "@aws-sdk/client-iam";
import * as kmsSdk from "@aws-sdk/client-kms";
import * as organizationsSdk from "@aws-sdk/client-organizations";
import * as secretsSdk from "@aws-sdk/client-secrets-manager";
import * as stsSdk from "@aws-sdk/client-sts";
import { composeDomain } from "../compose.ts";
import type { Access, Arrival } from "../domain/access.ts";
import { createKeysAtRest } from "../domain/blob-keys.ts";
import type { IssuerKeys } from "../domain/identity/web-identity.ts";
import { createKeyWrapper } from "../domain/keys/wrapping.ts";
import type { AccountId, Region } from "../domain/names.ts";
import { mediaTypes } from "../domain/registry/manifests.ts";
import { openMemoryBlobs } from "../storage/blobs/memory.ts";
import { openSqlite } from "../storage/metadata/sqlite.ts";
import { errors as ecrErrors } from "./ecr/errors.ts";
import type { Spelling } from "./errors.ts";
import { type IamCode, errors as iamErrors } from "./iam/errors.ts";
import { operations as iamOperations } from "./iam/operations.ts";
import { type ControlPlaneParts, createControlPlane } from "./index.ts";
import { errors as kmsErrors } from "./kms/errors.ts";
import { errors as organizationsErrors } from "./organizations/errors.ts";
import { deviations } from "./schema-check.ts";
import { errors as secretsErrors } from "./secretsmanager/errors.ts";

/** For tests: the official SDK clients against the real control plane, domain and stores, with no socket in between. */

export const account = "111122223333";
export const registryHost = "registry.example.com";
export const root = { accessKeyId: "AKIAEXAMPLE", secret: "root-secret", account: account as AccountId };
const endpoint = "http://api.test:5080";

export interface Noted {
  readonly request: Request;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly facts: Record<string, unknown>;
}

interface SdkRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

export interface InProcessOptions extends Pick<ControlPlaneParts, "rates" | "maxBodiesBytes" | "regions"> {
  /** In place of the gate that asks policies. */
  readonly access?: Access;
  readonly issuerKeys?: IssuerKeys;
}

const defaultRegion = "us-east-1" as Region;
const noIssuers: IssuerKeys = { verify: async () => ({ state: "unreachable" }) };

export async function inProcess(options: InProcessOptions = {}) {
  const { issuerKeys = noIssuers, ...replaced } = options;
  let now = new Date();
  const clock = () => now;
  const metadata = await openSqlite({ path: ":memory:" });
  const masterKeys = [new Uint8Array(32).fill(9)];
  const problems: Record<string, unknown>[] = [];
  const log = { error: (facts: Record<string, unknown>, message: string) => void problems.push({ ...facts, message }) };
  const keyWrapper = createKeyWrapper({ known: async () => masterKeys, refreshed: async () => masterKeys });
  const { keyring } = createKeysAtRest({ metadata, wrapper: keyWrapper, clock, atRest: "sealed" });
  const domain = composeDomain({
    metadata,
    blobs: openMemoryBlobs(),
    root,
    sealingKey: new Uint8Array(32).fill(7),
    keyWrapper,
    keyring,
    issuerKeys,
    allowInsecureIssuers: true,
    publicUrl: `https://${registryHost}`,
    defaultRegion,
    createOnPush: false,
    clock,
    log,
  });
  const { accounts, audit } = domain;
  await accounts.ensureConfigured();
  const api = createControlPlane({ ...domain, clock, log, defaultRegion, ...replaced });

  const noted: Noted[] = [];
  /** Sends a request as a listener would, and checks every JSON answer against the SDK's schemas. */
  async function send(request: Request): Promise<Noted> {
    const facts: Record<string, unknown> = {};
    const requestId = crypto.randomUUID();
    const note: Arrival["note"] = (more) => void Object.assign(facts, more);
    const arrival: Arrival = { requestId, sourceIp: "10.0.0.1", secureTransport: false, note };
    const response = await api(request, arrival);
    const answer = { request, status: response.status, headers: response.headers, text: await response.text(), facts };
    if (answer.headers.get("x-amzn-requestid") !== requestId) throw new Error("the answer has another request id");
    checkAgainstModel(answer);
    await checkDeclared(answer);
    checkDeclaredByIam(answer);
    noted.push(answer);
    return answer;
  }

  const requestHandler = {
    async handle({ method, path, query, headers, body }: SdkRequest) {
      const search = new URLSearchParams(query).toString();
      const answer = await send(new Request(`${endpoint}${path}${search && `?${search}`}`, { method, headers, body }));
      const response = {
        statusCode: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: bytesOf(answer.text),
      };
      return { response };
    },
  };
  const config = (region: string) => ({
    region,
    endpoint,
    credentials: { accessKeyId: root.accessKeyId, secretAccessKey: root.secret },
    requestHandler: requestHandler as never,
    maxAttempts: 1,
    systemClockOffset: now.getTime() - Date.now(),
  });

  const ecr = new ecrSdk.ECRClient(config("us-east-1"));
  return {
    ecr,
    ecrIn: (region: string) => new ecrSdk.ECRClient(config(region)),
    ecrAs: (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
      new ecrSdk.ECRClient({ ...config("us-east-1"), credentials }),
    organizations: new organizationsSdk.OrganizationsClient(config("us-east-1")),
    organizationsAs: (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
      new organizationsSdk.OrganizationsClient({ ...config("us-east-1"), credentials }),
    accounts,
    kms: new kmsSdk.KMSClient(config("us-east-1")),
    kmsIn: (region: string) => new kmsSdk.KMSClient(config(region)),
    kmsAs: (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
      new kmsSdk.KMSClient({ ...config("us-east-1"), credentials }),
    secrets: new secretsSdk.SecretsManagerClient(config("us-east-1")),
    secretsAs: (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
      new secretsSdk.SecretsManagerClient({ ...config("us-east-1"), credentials }),
    keyring: domain.kms.keyring,
    iam: new iamSdk.IAMClient(config("us-east-1")),
    iamAs: (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
      new iamSdk.IAMClient({ ...config("us-east-1"), credentials }),
    sts: new stsSdk.STSClient(config("us-east-1")),
    stsAs: (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
      new stsSdk.STSClient({ ...config("us-east-1"), credentials }),
    /** The raw answer to the newest request. */
    newest: () => noted.at(-1) as Noted,
    send,
    /** What was logged as our own fault. */
    problems,
    pullTimes: domain.pullTimes,
    registryTokens: domain.registryTokens,
    credentials: domain.credentials,
    principals: domain.principals,
    keyUses: domain.keyUses,
    sealer: domain.sealer,
    metadata,
    now: clock,
    pass: (seconds: number) => {
      now = new Date(now.getTime() + seconds * 1000);
    },
    async close() {
      await audit.close();
      await metadata.close();
    },
    ...uploads(ecr),
  };
}

function uploads(ecr: ecrSdk.ECRClient) {
  async function pushLayer(repositoryName: string, content: string): Promise<string> {
    const { uploadId } = await ecr.send(new ecrSdk.InitiateLayerUploadCommand({ repositoryName }));
    const layerPartBlob = bytesOf(content);
    const part = { repositoryName, uploadId, partFirstByte: 0, partLastByte: layerPartBlob.length - 1, layerPartBlob };
    await ecr.send(new ecrSdk.UploadLayerPartCommand(part));
    const layerDigests = [digestOf(content)];
    await ecr.send(new ecrSdk.CompleteLayerUploadCommand({ repositoryName, uploadId, layerDigests }));
    return digestOf(content);
  }
  /** Pushes a small image whose content is `seed`, with its layers. */
  async function pushImage(
    repositoryName: string,
    seed: string,
    imageTag?: string,
    more: object = {},
  ): Promise<string> {
    const manifest = manifestOf(seed, more);
    for (const content of [configOf(seed), seed]) {
      try {
        await pushLayer(repositoryName, content);
      } catch (error) {
        if (!(error instanceof ecrSdk.LayerAlreadyExistsException)) throw error;
      }
    }
    await ecr.send(new ecrSdk.PutImageCommand({ repositoryName, imageManifest: manifest, imageTag }));
    return digestOf(manifest);
  }
  return { pushLayer, pushImage };
}

export const configOf = (seed: string) => JSON.stringify({ seed });

export function manifestOf(seed: string, more: object = {}): string {
  const descriptor = (mediaType: string, content: string) => {
    return { mediaType, digest: digestOf(content), size: content.length };
  };
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: descriptor("application/vnd.oci.image.config.v1+json", configOf(seed)),
    layers: [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", seed)],
    ...more,
  });
}

export function indexOf(children: { digest: string; size: number }[]): string {
  const manifests = children.map((child) => ({ mediaType: mediaTypes.ociManifest, ...child }));
  return JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
}

export function digestOf(content: string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Errors that no operation models (ECR API reference, "Common Errors"). */
const commonErrors = new Set([
  "AccessDeniedException",
  "ExpiredTokenException",
  "IncompleteSignatureException",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "RequestEntityTooLargeException",
  "SerializationException",
  "ServiceUnavailable",
  "ThrottlingException",
  "UnknownOperationException",
  "UnrecognizedClientException",
  // Of KMS, which models neither.
  "NotAuthorizedException",
  "ValidationException",
]);

/** Our own API has no published model, only types (berth/contract.ts). */
const isOwnApi = ({ headers }: Request) => headers.get("x-amz-target")?.startsWith("Berth_") === true;

/** What each service calls input that breaks its model. */
const invalidInput = new Set(["InvalidParameterException", "InvalidInputException"]);

/** The operation that was asked for, and what its service's model says. */
function target({ headers }: Request) {
  const [prefix, operation] = (headers.get("x-amz-target") ?? "").split(".");
  const service =
    prefix === "TrentService"
      ? { sdk: kmsSdk, folder: "kms", errors: kmsErrors }
      : prefix === "AWSOrganizationsV20161128"
        ? { sdk: organizationsSdk, folder: "organizations", errors: organizationsErrors }
        : prefix === "secretsmanager"
          ? { sdk: secretsSdk, folder: "secretsmanager", errors: secretsErrors }
          : { sdk: ecrSdk, folder: "ecr", errors: ecrErrors };
  const errors: Record<string, Spelling> = service.errors;
  return { ...service, errors, operation };
}

function checkAgainstModel({ request, status, headers, text }: Noted): void {
  if (!headers.get("content-type")?.startsWith("application/x-amz-json") || isOwnApi(request)) return;
  const body = JSON.parse(text);
  const { operation, sdk } = target(request);
  const schemas = sdk as unknown as Record<string, readonly unknown[] | undefined>;
  if (status === 200) {
    const output = schemas[`${operation}$`]?.[5];
    fail(`${operation} answered`, output ? deviations(output, body) : ["an operation that is not in the model"]);
    return;
  }
  const { __type: name, ...members } = body;
  if (headers.get("x-amzn-errortype") !== name)
    throw new Error("the error has one name in the header, another in the body");
  if (commonErrors.has(name) && !schemas[`${name}$`])
    fail(
      name,
      Object.keys(members).filter((member) => member.toLowerCase() !== "message"),
    );
  else
    fail(name, schemas[`${name}$`] ? deviations(schemas[`${name}$`], members) : ["an error that is not in the model"]);
}

/** An operation declares what it throws. Bad parameters and faults of our own are every operation's. */
async function checkDeclared({ request, status, headers }: Noted): Promise<void> {
  const name = headers.get("x-amzn-errortype");
  const { operation, folder, errors } = target(request);
  if (status !== 400 || isOwnApi(request) || !name || commonErrors.has(name) || invalidInput.has(name)) return;
  const definition = (await import(`./${folder}/${operation}.ts`))[operation ?? ""] as { throws: string[] };
  const declared = definition.throws.map((code) => errors[code]?.[0]);
  if (!declared.includes(name)) throw new Error(`${operation} does not declare ${name}`);
}

/** The same for IAM, which names its errors in XML. */
function checkDeclaredByIam({ status, text, facts }: Noted): void {
  const [, name = ""] = /<Code>(\w+)<\/Code>/.exec(text) ?? [];
  if (status === 200 || facts.service !== "iam" || commonIamErrors.has(name)) return;
  const operation = iamOperations.get(facts.operation as string);
  const declared: string[] = operation?.throws.map((code) => iamErrors[code as IamCode][0]) ?? [];
  if (!declared.includes(name)) throw new Error(`${facts.operation} does not declare ${name}`);
}

/** Errors of every operation: of the signature, of permissions, of the shape of the input. */
const commonIamErrors = new Set([
  "AccessDenied",
  "ExpiredToken",
  "InvalidClientTokenId",
  "SignatureDoesNotMatch",
  "Throttling",
  "ValidationError",
]);

function fail(what: string, problems: string[]): void {
  if (problems.length > 0) throw new Error(`${what}: ${problems.join("; ")}`);
}
