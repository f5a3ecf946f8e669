import { resolve } from "node:path";
import { z } from "zod";
import { credentialsUrl, httpsUrl, keeperProblems, kmsKey, roleArn, transitKey, vaultToken } from "./config-keepers.ts";
import { furtherUpstream, upstreamMirror, upstreamPattern } from "./config-pull-through.ts";
import { certificateIdentity, clientCertificates, tlsProblems } from "./config-tls.ts";
import {
  blobsUrl,
  boolean,
  credential,
  databaseUrl,
  duration,
  durationOrNever,
  hostAndPort,
  list,
  masterKeys,
  network,
  oneOf,
  path,
  peer,
  publicUrl,
  rates,
  text,
  unitsMs,
  wholeNumber,
} from "./config-values.ts";
import { parseAccountId, parseRegion } from "./domain/names.ts";

/** What is configured: every setting, what it may be, what it is where nobody says, and what `--help` says of it. */
export function schemaFor(cwd: string) {
  return z
    .strictObject({
      listen: text("host:port, such as 127.0.0.1:5080 or [::1]:5080", hostAndPort)
        .prefault("127.0.0.1:5080")
        .describe("where the server listens; port 0 takes any free one"),
      data: text("a directory", path(cwd))
        .prefault("./data")
        .describe("directory of the embedded database, blobs, keys and credentials"),
      publicUrl: text(
        "http://HOST or https://HOST with nothing behind the host, which may begin with {account}.dkr.ecr.{region}.",
        publicUrl,
      )
        .optional()
        .describe("where clients reach the server (http:// or https://localhost and the port); gives repositoryUri"),
      account: text("12 digits", parseAccountId)
        .prefault("000000000000")
        .describe("the account that exists from the first start"),
      region: text("a region, such as us-east-1", parseRegion)
        .prefault("us-east-1")
        .describe("the region that a request without one means"),
      regions: list("a list of regions, such as us-east-1", parseRegion)
        .optional()
        .describe("the regions that are served (all); in a variable, with commas between them"),
      rootAccessKeyId: text("a text without control characters", credential)
        .optional()
        .describe("the root key pair (made at the first start and kept in DATA/credentials)"),
      rootSecretAccessKey: text("a text without control characters", credential).optional().describe("its secret"),
      databaseUrl: text("sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE", databaseUrl(cwd))
        .optional()
        .describe("sqlite:PATH or postgres://... (sqlite:DATA/berth.sqlite)"),
      blobsUrl: text("file:PATH", blobsUrl(cwd))
        .optional()
        .describe("where blobs are kept, file:PATH (file:DATA/blobs)"),
      archive: z
        .strictObject(
          {
            blobsUrl: text("file:PATH", blobsUrl(cwd))
              .optional()
              .describe("where blobs of archived images are kept, file:PATH (with the others)"),
          },
          "a map of blobsUrl",
        )
        .prefault({}),
      metricsListen: text("host:port, such as 127.0.0.1:5081 or [::1]:5081", hostAndPort)
        .optional()
        .describe("where Prometheus metrics are served (127.0.0.1:5081, or nowhere where that is taken)"),
      workers: text("a whole number from 1 to 64", wholeNumber(1, 64))
        .prefault("1")
        .describe("processes that share the port; more than 1 on Linux only"),
      createOnPush: text("true or false", boolean)
        .prefault("false")
        .describe("whether a push makes the repository that it needs"),
      publicAccess: text("true or false", boolean)
        .prefault("false")
        .describe("whether repository policies can let in whoever has not signed in"),
      foreignLayers: oneOf("allow", ["allow", "refuse"]).describe(
        "images whose layers are kept elsewhere, by urls in the manifest: allow, as ECR does, or refuse",
      ),
      trustedProxies: list("a list of addresses and networks, such as 10.0.0.0/8", network)
        .optional()
        .describe("proxies whose X-Forwarded-For and X-Forwarded-Proto are believed (none)"),
      tls: z
        .strictObject(
          {
            certificate: text("a file", path(cwd))
              .optional()
              .describe("the certificate of the server in PEM, with its chain; makes the server speak HTTPS"),
            key: text("a file", path(cwd)).optional().describe("the key of that certificate in PEM"),
            minVersion: oneOf("1.2", ["1.2", "1.3"]).describe("the oldest TLS that is spoken: 1.2 or 1.3"),
            clientAuthority: text("a file", path(cwd))
              .optional()
              .describe(
                "certificates of authorities in PEM; clients must then show a certificate that one of them made",
              ),
            clientCertificates: text("required or optional", clientCertificates)
              .optional()
              .describe(
                "whether every client must show a certificate: required or optional; then they can be identities",
              ),
            clientIdentities: list(
              "KIND:NAME=ARN with the ARN of a user or role, such as uri:spiffe://example.org/ci/*=arn:aws:iam::000000000000:role/ci; kinds are uri, dns, email and cn",
              certificateIdentity,
            )
              .optional()
              .describe("whom client certificates stand for: KIND:NAME=ARN,..."),
            clientRevoked: text("a file", path(cwd))
              .optional()
              .describe("serial numbers of client certificates that count no more, one a line"),
          },
          "a map of certificate, key, minVersion, clientAuthority, clientCertificates, clientIdentities and clientRevoked",
        )
        .prefault({}),
      log: z
        .strictObject(
          {
            level: oneOf("info", ["trace", "debug", "info", "warn", "error", "fatal"]),
            format: oneOf("auto", ["auto", "json", "pretty"]),
          },
          "a map of level and format",
        )
        .prefault({}),
      shutdownGraceSeconds: text("a whole number from 0 to 3600", wholeNumber(0, 3600))
        .prefault("20")
        .describe("how long a stop waits for requests in flight"),
      limits: z
        .strictObject(
          {
            openUploads: text("a whole number from 1 to 1000000", wholeNumber(1, 1_000_000))
              .prefault("10000")
              .describe("unfinished uploads that one principal may have"),
            concurrentRequests: text("a whole number from 1 to 1000000", wholeNumber(1, 1_000_000))
              .prefault("2048")
              .describe("requests that are worked on or sent at once; above, 503"),
            apiBodyMegabytes: text("a whole number from 32 to 65536", wholeNumber(32, 65_536))
              .prefault("256")
              .describe("memory that the bodies of API calls may take at once; above, 503"),
            minBytesPerSecond: text("a whole number from 1 to 1000000", wholeNumber(1, 1_000_000))
              .prefault("100")
              .describe("least pace of a request body, taken over a minute"),
            rates: text(
              "off, ecr, or OPERATION=PER_SECOND or OPERATION=PER_SECOND/BURST with commas between them, such as ecr,PutImage=20/40 or *=100",
              rates,
            )
              .prefault("off")
              .describe("API calls and pushes and pulls per second: off, ecr (its quotas), OPERATION=RATE,..."),
            ratesPer: oneOf("account", ["account", "principal"]).describe("who shares a rate: account or principal"),
          },
          "a map of openUploads, concurrentRequests, apiBodyMegabytes, minBytesPerSecond, rates and ratesPer",
        )
        .prefault({}),
      oidc: z
        .strictObject(
          {
            allowPrivateIssuers: text("true or false", boolean)
              .prefault("false")
              .describe("whether identity providers may be inside of this network, at private addresses"),
            allowInsecureIssuers: text("true or false", boolean)
              .prefault("false")
              .describe("whether identity providers on this machine may do without TLS; for tests"),
          },
          "a map of allowPrivateIssuers and allowInsecureIssuers",
        )
        .prefault({}),
      kms: z
        .strictObject(
          {
            keeper: oneOf("local", ["local", "aws", "vault"]).describe(
              "who holds the master key that wraps all others: local, aws or vault",
            ),
            masterKey: text("32 bytes in base64; behind a comma, the one of before", masterKeys)
              .optional()
              .describe("the local master key (made at the first start and kept in DATA/keys/master-key)"),
            awsKey: list("ids, alias/NAMEs or ARNs of KMS keys, the one of today first", kmsKey)
              .optional()
              .describe("the key of AWS KMS: an id, alias or ARN; behind a comma, the one of before"),
            awsRegion: text("a region, such as us-east-1", parseRegion)
              .optional()
              .describe("its region (that in its ARN, or AWS_REGION)"),
            awsUrl: text(httpsUrl.allowed, httpsUrl)
              .optional()
              .describe("where KMS is (https://kms.REGION.amazonaws.com)"),
            awsStsUrl: text(httpsUrl.allowed, httpsUrl)
              .optional()
              .describe("where STS is, for a web identity (https://sts.REGION.amazonaws.com)"),
            awsAuthority: text("a file", path(cwd))
              .optional()
              .describe("certificates of the authorities of those endpoints, in PEM (those that the system trusts)"),
            awsAccessKeyId: text("a text without control characters", credential)
              .optional()
              .describe("the access key for KMS (AWS_ACCESS_KEY_ID)"),
            awsSecretAccessKey: text("a text without control characters", credential)
              .optional()
              .describe("its secret (AWS_SECRET_ACCESS_KEY)"),
            awsSessionToken: text("a text without control characters", credential)
              .optional()
              .describe("its session token, if it has one (AWS_SESSION_TOKEN)"),
            awsRoleArn: text("the ARN of a role", roleArn)
              .optional()
              .describe("the role for KMS, where a web identity takes the place of an access key (AWS_ROLE_ARN)"),
            awsWebIdentityTokenFile: text("a file", path(cwd))
              .optional()
              .describe("the token of that web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"),
            awsCredentialsUrl: text(credentialsUrl.allowed, credentialsUrl)
              .optional()
              .describe("where the platform gives credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI, …_RELATIVE_URI)"),
            awsCredentialsTokenFile: text("a file", path(cwd))
              .optional()
              .describe("the token to show there (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)"),
            vaultUrl: text(httpsUrl.allowed, httpsUrl)
              .optional()
              .describe("where Vault or OpenBao is, such as https://vault:8200"),
            vaultKey: list("MOUNT/KEY, such as transit/berth", transitKey)
              .optional()
              .describe("the key of a transit engine: MOUNT/KEY; behind a comma, the one of before"),
            vaultNamespace: text("a text without control characters", credential)
              .optional()
              .describe("the namespace that the engine is in"),
            vaultToken: text("a token without spaces", vaultToken)
              .optional()
              .describe("the token for Vault (VAULT_TOKEN)"),
            vaultTokenFile: text("a file", path(cwd))
              .optional()
              .describe("a file with the token for Vault, which an agent may renew"),
            vaultAuthority: text("a file", path(cwd))
              .optional()
              .describe("certificates of the authorities of Vault, in PEM (those that the system trusts)"),
          },
          "a map of keeper, masterKey, and settings that begin with aws or vault",
        )
        .prefault({}),
      encryption: z
        .strictObject(
          {
            atRest: oneOf("sealed", ["sealed", "volume"]).describe(
              "who encrypts layers of repositories of type AES256: sealed (the server) or volume (the disk below)",
            ),
          },
          "a map of atRest",
        )
        .prefault({}),
      pullThrough: z
        .strictObject(
          {
            upstreams: list("HOST or HOST=berth, such as registry.example.com:5000 or *.example.com", furtherUpstream)
              .optional()
              .describe(
                "registries that caches may stand before beside those of ECR (none): HOST, HOST=berth, *.DOMAIN",
              ),
            allowPrivate: list("hosts, such as registry.internal or *.internal", upstreamPattern)
              .optional()
              .describe("upstreams that may be inside of this network, at private addresses (none)"),
            insecure: list("hosts, such as 127.0.0.1:5000", upstreamPattern)
              .optional()
              .describe("upstreams that speak plain HTTP (none)"),
            mirrors: list("HOST=URL, such as registry-1.docker.io=https://mirror.internal", upstreamMirror)
              .optional()
              .describe("what is asked in the place of upstreams: HOST=https://MIRROR,..."),
          },
          "a map of upstreams, allowPrivate, insecure and mirrors",
        )
        .prefault({}),
      uploadExpiryHours: text("a whole number from 1 to 8760", wholeNumber(1, 8760))
        .prefault("24")
        .describe("how long an unfinished upload may lie untouched"),
      gc: z
        .strictObject(
          {
            grace: text("a time, such as 24h, 90m or 0s, up to 365d", duration(0))
              .prefault("24h")
              .describe("how long what nobody needs any more stays before garbage collection removes it"),
            every: text("a time from 1s on, such as 5m, up to 365d", duration(1000))
              .prefault("5m")
              .describe("how often garbage is collected"),
          },
          "a map of grace and every",
        )
        .prefault({}),
      undelete: z
        .strictObject(
          {
            window: text("a time, such as 7d or 12h, up to 365d, or 0", duration(0))
              .prefault("0")
              .describe("how long deleted images and repositories can be brought back; 0 for not at all, as in ECR"),
          },
          "a map of window",
        )
        .prefault({}),
      lifecycle: z
        .strictObject(
          {
            interval: text("a time from 1m on, such as 24h, up to 365d", duration(60_000))
              .prefault("24h")
              .describe("how often the lifecycle policy of each repository is evaluated"),
          },
          "a map of interval",
        )
        .prefault({}),
      audit: z
        .strictObject(
          {
            retention: text("a time, such as 90d or 12h, up to 3650d, or 0", duration(0, 3650 * unitsMs.d))
              .prefault("90d")
              .describe("how long audit records are kept; 0 for ever"),
            pulls: text("true or false", boolean)
              .prefault("true")
              .describe("whether pulls and other successful reads over /v2/ are on record"),
            queueLimit: text("a whole number from 100 to 1000000", wholeNumber(100, 1_000_000))
              .prefault("10000")
              .describe("records that a process keeps until they are written; above, requests wait"),
          },
          "a map of retention, pulls and queueLimit",
        )
        .prefault({}),
      replication: z
        .strictObject(
          {
            peers: list(
              "REGION=URL with the https:// or http:// address of a registry, such as eu-west-1=https://registry.example.com",
              peer,
            )
              .optional()
              .describe("regions that are kept by other servers: REGION=URL,..."),
            peerCredentials: text("a file", path(cwd))
              .optional()
              .describe(
                "the access keys for them, in the form of an AWS credentials file with a section for each region",
              ),
            peerAuthority: text("a file", path(cwd))
              .optional()
              .describe("certificates of the authorities of those servers, in PEM (those that the system trusts)"),
            bytesPerSecond: text("a whole number from 0 to 100000000000", wholeNumber(0, 100_000_000_000))
              .prefault("0")
              .describe("bytes of layers that are replicated in a second; 0 for as many as there can be"),
          },
          "a map of peers, peerCredentials, peerAuthority and bytesPerSecond",
        )
        .prefault({}),
      usage: z
        .strictObject(
          {
            every: text("a time from 1m on, such as 24h, up to 365d, or 0", durationOrNever(60_000))
              .prefault("24h")
              .describe("how often it is measured what storage is used for; 0 for never"),
            retention: text("a time, such as 400d, up to 3650d, or 0", duration(0, 3650 * unitsMs.d))
              .prefault("400d")
              .describe("how long the measurements of days are kept; 0 for ever"),
            repositoriesInMetrics: text("a whole number from 0 to 1000", wholeNumber(0, 1_000))
              .prefault("0")
              .describe("how many of the largest repositories are in the metrics, by name"),
          },
          "a map of every, retention and repositoriesInMetrics",
        )
        .prefault({}),
    })
    .refine(({ rootAccessKeyId: id, rootSecretAccessKey: secret }) => (id === undefined) === (secret === undefined), {
      params: { keys: ["rootAccessKeyId", "rootSecretAccessKey"] },
      error: "they belong together; give both or neither",
      when: () => true,
    })
    .superRefine(({ tls }, context) => {
      for (const [keys, message] of tlsProblems(tls)) {
        context.addIssue({ code: "custom", params: { keys: keys.map((key) => `tls.${key}`) }, message });
      }
    })
    .superRefine(({ kms }, context) => {
      for (const [keys, message] of keeperProblems(kms)) {
        context.addIssue({ code: "custom", params: { keys: keys.map((key) => `kms.${key}`) }, message });
      }
    })
    .refine(({ replication }) => !replication.peers?.length || replication.peerCredentials !== undefined, {
      params: { keys: ["replication.peers", "replication.peerCredentials"] },
      error: "peers are reached with access keys; give the file that has them",
    })
    .refine(({ region, regions }) => !regions?.length || regions.includes(region), {
      params: { keys: ["region", "regions"] },
      error: "regions must have region in it, the one that a request without a region means",
    })
    .transform(
      ({ rootAccessKeyId, rootSecretAccessKey, databaseUrl, blobsUrl, archive, tls, pullThrough, ...given }) => ({
        ...given,
        tls:
          tls.certificate !== undefined && tls.key !== undefined
            ? { ...tls, certificate: tls.certificate, key: tls.key }
            : undefined,
        rootKey:
          rootAccessKeyId !== undefined && rootSecretAccessKey !== undefined
            ? { accessKeyId: rootAccessKeyId, secretAccessKey: rootSecretAccessKey }
            : undefined,
        databaseUrl: databaseUrl ?? `sqlite:${resolve(given.data, "berth.sqlite")}`,
        blobs: blobsUrl ?? { kind: "file" as const, root: resolve(given.data, "blobs") },
        archive: archive.blobsUrl,
        pullThrough: {
          further: pullThrough.upstreams ?? [],
          private: pullThrough.allowPrivate ?? [],
          insecure: pullThrough.insecure ?? [],
          mirrors: pullThrough.mirrors ?? [],
        },
      }),
    );
}
