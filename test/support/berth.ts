import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudTrailClient } from "@aws-sdk/client-cloudtrail";
import { ECRClient } from "@aws-sdk/client-ecr";
import { IAMClient } from "@aws-sdk/client-iam";
import { OrganizationsClient } from "@aws-sdk/client-organizations";
import { STSClient } from "@aws-sdk/client-sts";
import { compose, type Limits } from "../../src/compose.ts";
import type { Arrival, ClientCertificate } from "../../src/domain/access.ts";
import { recordsIn } from "../../src/domain/audit/testing.ts";
import { createKeysAtRest } from "../../src/domain/blob-keys.ts";
import { createSealer } from "../../src/domain/identity/sealer.ts";
import { createKeyWrapper } from "../../src/domain/keys/wrapping.ts";
import type { AccountId, Region } from "../../src/domain/names.ts";
import type { BlobStore, Tiers } from "../../src/domain/registry/ports.ts";
import { createIssuerKeys } from "../../src/remotes/issuer-keys.ts";
import { sendContent } from "../../src/server/send.ts";
import type { Disk } from "../../src/storage/blobs/disk.ts";
import { openFilesystemBlobs } from "../../src/storage/blobs/filesystem.ts";
import { twoTiers } from "../../src/storage/blobs/two-tiers.ts";
import type { AllMetadata } from "../../src/storage/metadata/metadata.ts";
import { openSqlite } from "../../src/storage/metadata/sqlite.ts";

import { type Crowd, createCrowd, type Person } from "./people.ts";

/** A whole Berth in this process, without sockets: real stores, real surfaces, the official SDK on top. */

export const account = "000000000000" as AccountId;
export const region = "us-east-1" as Region;
export const keyPair = { accessKeyId: "AKIATESTTESTTESTTEST", secretAccessKey: "a-secret-for-tests-only" };
export const host = "registry.test";
export const basic = (user: string, password: string) => `Basic ${btoa(`${user}:${password}`)}`;

export const mediaTypes = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

const unlimited: Limits = {
  openUploads: 1_000_000,
  apiBodyMegabytes: 1024,
  rates: { profile: "none", own: [] },
  ratesPer: "account",
};

// biome-ignore lint/suspicious/noExplicitAny: a test looks at members that it expects
export type AuditRecord = Record<string, any>;

export type Body = string | Uint8Array | ReadableStream<Uint8Array>;

interface Init {
  readonly headers?: Record<string, string>;
  readonly body?: Body;
  /** That the connection came with. */
  readonly certificate?: ClientCertificate;
}

export interface InProcess {
  /** The clock that Berth reads. Tests may move it. */
  now: Date;
  readonly logged: unknown[];
  /** Any request, as it would arrive at the listener. */
  send(method: string, path: string, init?: Init): Promise<Response>;
  /** The same to the data plane, signed in as root. */
  oci(method: string, path: string, init?: { headers?: Record<string, string>; body?: Body }): Promise<Response>;
  /** Whoever else can sign in. */
  readonly crowd: Crowd;
  /** The same as `oci`, as somebody else. */
  ociAs(
    person: Person,
    method: string,
    path: string,
    init?: { headers?: Record<string, string>; body?: Body },
  ): Promise<Response>;
  ecrAs(person: Person, overrides?: object): ECRClient;
  ecr(overrides?: object): ECRClient;
  sts(overrides?: object): STSClient;
  iam(overrides?: object): IAMClient;
  organizations(overrides?: object): OrganizationsClient;
  cloudTrail(overrides?: object): CloudTrailClient;
  /** Any other client of the SDK. */
  client<Client>(type: new (config: never) => Client, overrides?: object): Client;
  pushBlob(repository: string, content: string | Uint8Array): Promise<{ digest: string; size: number }>;
  /** A one-layer image; equal contents make equal images. */
  pushImage(
    repository: string,
    reference: string,
    content: string,
    extra?: object,
  ): Promise<{ digest: string; manifest: string }>;
  /** The surfaces, for tests that put a real listener in front of them. */
  readonly surfaces: Pick<ReturnType<typeof compose>, "registry" | "api" | "busy">;
  /** Where replicas go. */
  readonly openTarget: ReturnType<typeof compose>["openTarget"];
  /** What stands behind pull through cache rules. */
  readonly upstreams: ReturnType<typeof compose>["upstreams"];
  flushPullTimes(): Promise<void>;
  /** Questions to the database so far, outside of transactions. */
  readonly queries: number;
  /** All records of the audit trail, oldest first. */
  records(): Promise<AuditRecord[]>;
  /** What it keeps everything in, and the folder of its blobs. */
  readonly stores: {
    readonly metadata: AllMetadata;
    readonly blobs: BlobStore;
    readonly tiers?: Tiers;
    readonly root: string;
  };
  close(): Promise<void>;
}

export const digestOf = (content: string | Uint8Array, algorithm = "sha256") =>
  `${algorithm}:${createHash(algorithm).update(content).digest("hex")}`;

export interface InProcessOptions {
  readonly createOnPush?: boolean;
  readonly publicAccess?: boolean;
  readonly foreignLayers?: "allow" | "refuse";
  readonly undeleteMs?: number;
  readonly certificateIdentities?: Parameters<typeof compose>[0]["certificateIdentities"];
  /** Which registries caches may stand before, and how they are asked. */
  readonly upstreams?: Parameters<typeof compose>[0]["upstreams"];
  readonly openRemote?: Parameters<typeof compose>[0]["openRemote"];
  readonly cacheCounts?: Parameters<typeof compose>[0]["cacheCounts"];
  readonly cachePauseMs?: number;
  readonly publicUrl?: string;
  readonly limits?: Partial<Limits>;
  readonly audit?: Parameters<typeof compose>[0]["audit"];
  /** Whether archived images have a store of their own. */
  readonly archive?: boolean;
  readonly atRest?: "sealed" | "volume";
  /** Other servers that images are replicated to. */
  readonly peers?: Parameters<typeof compose>[0]["peers"];
  /** The region that a request without one means. */
  readonly region?: string;
  /** Where the blobs are. */
  readonly disk?: Disk;
  /** Told of each question to the database, `repositories.find`, before it is asked. What it throws is the answer. */
  readonly asked?: (question: string) => void;
  /** A data directory to use and to leave. Without one, everything goes with the process. */
  readonly data?: string;
}

export async function inProcess(options: InProcessOptions = {}): Promise<InProcess> {
  const { data } = options;
  const opened = await openSqlite({ path: data === undefined ? ":memory:" : join(data, "berth.sqlite") });
  const { metadata, questions } = counting(opened, options.asked);
  const root = data === undefined ? mkdtempSync(join(tmpdir(), "berth-test-")) : join(data, "blobs");
  const logged: unknown[] = [];
  const state = { now: new Date() };
  const rootKey = { accessKeyId: keyPair.accessKeyId, secret: keyPair.secretAccessKey, account };
  const sealingKey = new Uint8Array(32).fill(7);
  const masterKeys = [new Uint8Array(32).fill(8)];
  const keyWrapper = createKeyWrapper({ known: async () => masterKeys, refreshed: async () => masterKeys });
  const { atRest = "sealed" } = options;
  const { keyring, blobKeys } = createKeysAtRest({ metadata, wrapper: keyWrapper, clock: () => state.now, atRest });
  const standard = await openFilesystemBlobs({ root, keys: blobKeys, disk: options.disk });
  const tiers = options.archive
    ? { standard, archive: await openFilesystemBlobs({ root: join(root, "archive"), keys: blobKeys }) }
    : undefined;
  const blobs = tiers ? twoTiers(tiers.standard, tiers.archive) : standard;
  const crowd = createCrowd(opened, createSealer(sealingKey), () => state.now);
  const { registry, api, busy, pullTimes, audit, accounts, openTarget, upstreams, pullThrough } = compose({
    metadata,
    blobs,
    root: rootKey,
    sealingKey,
    keyWrapper,
    keyring,
    allowInsecureIssuers: true,
    issuerKeys: createIssuerKeys({
      allowPrivate: false,
      allowInsecure: true,
      clock: () => state.now,
      log: { warn: () => {} },
    }),
    publicAccess: options.publicAccess,
    foreignLayers: options.foreignLayers,
    undeleteMs: options.undeleteMs,
    peers: options.peers,
    certificateIdentities: options.certificateIdentities,
    upstreams: options.upstreams,
    openRemote: options.openRemote,
    cacheCounts: options.cacheCounts,
    cachePauseMs: options.cachePauseMs,
    publicUrl: options.publicUrl ?? `http://${host}`,
    defaultRegion: (options.region ?? region) as Region,
    createOnPush: options.createOnPush ?? false,
    limits: { ...unlimited, ...options.limits },
    audit: options.audit,
    clock: () => state.now,
    log: { error: (facts) => logged.push(facts) },
    send: sendContent,
  });
  await accounts.ensureConfigured();
  const arrival = (certificate?: ClientCertificate): Arrival => ({
    requestId: crypto.randomUUID(),
    sourceIp: "127.0.0.1",
    secureTransport: certificate !== undefined,
    certificate,
    note: () => {},
  });
  const handle = (request: Request, certificate?: ClientCertificate) =>
    (new URL(request.url).pathname.startsWith("/v2") ? registry : api)(request, arrival(certificate));

  /** The SDK's transport, replaced by our handler. */
  const requestHandler = {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(asked: {
      method: string;
      path: string;
      query?: object;
      headers: Record<string, string>;
      body?: string | Uint8Array;
    }) {
      const query = new URLSearchParams(asked.query as Record<string, string>).toString();
      const url = `http://${host}${asked.path}${query && `?${query}`}`;
      const answer = await handle(new Request(url, { method: asked.method, headers: asked.headers, body: asked.body }));
      const headers = Object.fromEntries(answer.headers);
      return { response: { statusCode: answer.status, headers, body: new Uint8Array(await answer.arrayBuffer()) } };
    },
    httpHandlerConfigs: () => ({}),
    updateHttpClientConfig: () => {},
  };
  const client = { region, endpoint: `http://${host}`, credentials: keyPair, requestHandler, maxAttempts: 1 };

  const berth: InProcess = {
    get now() {
      return state.now;
    },
    set now(time) {
      state.now = time;
    },
    get queries() {
      return questions();
    },
    logged,
    send: (method, path, { headers, body, certificate } = {}) =>
      handle(new Request(`http://${headers?.host ?? host}${path}`, { method, headers, body }), certificate),
    oci(method, path, { headers, body } = {}) {
      const authorization = basic(keyPair.accessKeyId, keyPair.secretAccessKey);
      return berth.send(method, path, { headers: { authorization, ...headers }, body });
    },
    crowd,
    ociAs({ accessKeyId, secretAccessKey }, method, path, { headers, body } = {}) {
      const authorization = basic(accessKeyId, secretAccessKey);
      return berth.send(method, path, { headers: { authorization, ...headers }, body });
    },
    ecrAs: (credentials, overrides) => berth.ecr({ credentials, ...overrides }),
    ecr: (overrides) => new ECRClient({ ...client, ...overrides } as object),
    sts: (overrides) => new STSClient({ ...client, ...overrides } as object),
    iam: (overrides) => new IAMClient({ ...client, ...overrides } as object),
    organizations: (overrides) => new OrganizationsClient({ ...client, ...overrides } as object),
    client: (type, overrides) => new type({ ...client, ...overrides } as never),
    cloudTrail: (overrides) => new CloudTrailClient({ ...client, ...overrides } as object),
    async pushBlob(repository, content) {
      const digest = digestOf(content);
      const pushed = await berth.oci("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
        body: content,
      });
      if (pushed.status !== 201) throw new Error(`blob push: ${pushed.status} ${await pushed.text()}`);
      return { digest, size: Buffer.byteLength(content) };
    },
    async pushImage(repository, reference, content, extra = {}) {
      const layer = { mediaType: mediaTypes.layer, ...(await berth.pushBlob(repository, content)) };
      const config = { mediaType: mediaTypes.config, ...(await berth.pushBlob(repository, "{}")) };
      const manifest = JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        config,
        layers: [layer],
        ...extra,
      });
      const pushed = await berth.oci("PUT", `/v2/${repository}/manifests/${reference}`, {
        headers: { "content-type": mediaTypes.manifest },
        body: manifest,
      });
      if (pushed.status !== 201) throw Object.assign(new Error(`image push: ${pushed.status} ${await pushed.text()}`));
      return { digest: digestOf(manifest), manifest };
    },
    surfaces: { registry, api, busy },
    openTarget,
    upstreams,
    flushPullTimes: () => pullTimes.flush(),
    async records() {
      await audit.flush();
      return (await recordsIn(metadata)).map(({ record }) => JSON.parse(record));
    },
    stores: { metadata, blobs, tiers, root },
    async close() {
      await pullThrough.close();
      await audit.close();
      await blobs.close();
      await metadata.close();
      if (data === undefined) rmSync(root, { recursive: true });
    },
  };
  return berth;
}

/** Counts what is read from the database. */
function counting(
  metadata: AllMetadata,
  asked?: (question: string) => void,
): { metadata: AllMetadata; questions(): number } {
  let count = 0;
  const watched = <Nouns extends object>(nouns: Nouns, told: (question: string) => void): Nouns => {
    const watch = <Noun extends object>(nounName: string, noun: Noun): Noun =>
      new Proxy(noun, {
        get(target, name) {
          const member = Reflect.get(target, name);
          if (typeof member !== "function") return member;
          return (...input: unknown[]) => {
            told(`${nounName}.${String(name)}`);
            return member.apply(target, input);
          };
        },
      });
    return Object.fromEntries(Object.entries(nouns).map(([name, noun]) => [name, watch(name, noun)])) as Nouns;
  };
  const counted = (question: string) => {
    count++;
    asked?.(question);
  };
  const transact: AllMetadata["transact"] = asked
    ? (work, options) => metadata.transact((nouns) => work(watched(nouns, asked)), options)
    : metadata.transact;
  return { metadata: { ...metadata, read: watched(metadata.read, counted), transact }, questions: () => count };
}
