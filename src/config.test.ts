import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, loadConfig, publicUrlOf, settingsHelp } from "./config.ts";

const cwd = mkdtempSync(join(tmpdir(), "berth-config-"));
const file = "settings.yaml";
afterAll(() => rmSync(cwd, { recursive: true }));

function load(env: Record<string, string>, yaml?: string) {
  if (yaml === undefined) return loadConfig({ env, cwd });
  writeFileSync(join(cwd, file), yaml);
  return loadConfig({ env, cwd, file });
}

function problemsOf(env: Record<string, string>, yaml?: string): string {
  try {
    load(env, yaml);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "none";
}

test("nothing given: the defaults", () => {
  expect(load({ PATH: "/bin" })).toEqual({
    listen: { host: "127.0.0.1", port: 5080 },
    data: join(cwd, "data"),
    account: "000000000000",
    region: "us-east-1",
    workers: 1,
    createOnPush: false,
    publicAccess: false,
    foreignLayers: "allow",
    tls: undefined,
    log: { level: "info", format: "auto" },
    shutdownGraceSeconds: 20,
    limits: {
      openUploads: 10_000,
      concurrentRequests: 2048,
      apiBodyMegabytes: 256,
      minBytesPerSecond: 100,
      rates: { profile: "none", own: [] },
      ratesPer: "account",
    },
    oidc: { allowPrivateIssuers: false, allowInsecureIssuers: false },
    kms: { keeper: "local" },
    pullThrough: { further: [], private: [], insecure: [], mirrors: [] },
    encryption: { atRest: "sealed" },
    uploadExpiryHours: 24,
    gc: { grace: 86_400_000, every: 300_000 },
    undelete: { window: 0 },
    lifecycle: { interval: 86_400_000 },
    audit: { retention: 90 * 86_400_000, pulls: true, queueLimit: 10_000 },
    replication: { bytesPerSecond: 0 },
    usage: { every: 86_400_000, retention: 400 * 86_400_000, repositoriesInMetrics: 0 },
    rootKey: undefined,
    databaseUrl: `sqlite:${join(cwd, "data", "berth.sqlite")}`,
    blobs: { kind: "file", root: join(cwd, "data", "blobs") },
    archive: undefined,
  } as unknown as ReturnType<typeof load>);
});

test("everything given in the file; twelve zeros stay twelve zeros", () => {
  const config = load(
    {},
    `
listen: "[::1]:0"
data: elsewhere
publicUrl: https://{account}.dkr.ecr.{region}.registry.example.com/
account: 000000000012
region: eu-central-1
regions: [eu-central-1, eu-west-1]
rootAccessKeyId: test
rootSecretAccessKey: 0123
databaseUrl: postgres://berth:hunter2@db/berth?sslmode=require
blobsUrl: file:///mnt/blobs
archive:
  blobsUrl: file:/mnt/archive
workers: 1
createOnPush: true
publicAccess: true
foreignLayers: refuse
trustedProxies: [10.0.0.0/8, "2001:db8::7"]
log:
  level: debug
  format: json
shutdownGraceSeconds: 0
limits:
  openUploads: 5
  concurrentRequests: 6
  apiBodyMegabytes: 32
  minBytesPerSecond: 1
  rates: ecr, PutImage=20/40, ListImages=0.5, *=100
  ratesPer: principal
pullThrough:
  upstreams: [ "*.example.com", "127.0.0.1:*=berth" ]
  allowPrivate: [ "*.example.com" ]
  insecure: [ "127.0.0.1:*" ]
  mirrors: [ "quay.io=https://mirror.example.com", "ghcr.io=http://me:p%40ss@10.0.0.1:5000" ]
oidc:
  allowPrivateIssuers: true
uploadExpiryHours: 1
undelete:
  window: 7d
gc:
  grace: 90m
  every: 1s
lifecycle:
  interval: 12h
audit:
  retention: 0
  pulls: false
  queueLimit: 100
replication:
  peers: [eu-west-1=https://registry.example.com/, ap-south-1=http://10.0.0.5:5080]
  peerCredentials: peers
  peerAuthority: authority.pem
  bytesPerSecond: 10000000
usage:
  every: 0
  retention: 30d
  repositoriesInMetrics: 20
`,
  );
  expect(config).toEqual({
    listen: { host: "::1", port: 0 },
    data: join(cwd, "elsewhere"),
    publicUrl: "https://{account}.dkr.ecr.{region}.registry.example.com",
    account: "000000000012",
    region: "eu-central-1",
    regions: ["eu-central-1", "eu-west-1"],
    workers: 1,
    createOnPush: true,
    publicAccess: true,
    foreignLayers: "refuse",
    trustedProxies: ["10.0.0.0/8", "2001:db8::7"],
    log: { level: "debug", format: "json" },
    shutdownGraceSeconds: 0,
    limits: {
      openUploads: 5,
      concurrentRequests: 6,
      apiBodyMegabytes: 32,
      minBytesPerSecond: 1,
      rates: {
        profile: "ecr",
        own: [
          { operation: "PutImage", perSecond: 20, burst: 40 },
          { operation: "ListImages", perSecond: 0.5, burst: 1 },
          { operation: "*", perSecond: 100, burst: 100 },
        ],
      },
      ratesPer: "principal",
    },
    pullThrough: {
      further: [
        { pattern: "*.example.com", kind: "oci" },
        { pattern: "127.0.0.1:*", kind: "berth" },
      ],
      private: ["*.example.com"],
      insecure: ["127.0.0.1:*"],
      mirrors: [
        { host: "quay.io", origin: "https://mirror.example.com" },
        { host: "ghcr.io", origin: "http://10.0.0.1:5000", credentials: { user: "me", password: "p@ss" } },
      ],
    },
    oidc: { allowPrivateIssuers: true, allowInsecureIssuers: false },
    kms: { keeper: "local" },
    encryption: { atRest: "sealed" },
    uploadExpiryHours: 1,
    gc: { grace: 5_400_000, every: 1000 },
    undelete: { window: 604_800_000 },
    lifecycle: { interval: 43_200_000 },
    audit: { retention: 0, pulls: false, queueLimit: 100 },
    replication: {
      peers: [
        { region: "eu-west-1", origin: "https://registry.example.com" },
        { region: "ap-south-1", origin: "http://10.0.0.5:5080" },
      ],
      peerCredentials: join(cwd, "peers"),
      peerAuthority: join(cwd, "authority.pem"),
      bytesPerSecond: 10_000_000,
    },
    usage: { every: 0, retention: 30 * 86_400_000, repositoriesInMetrics: 20 },
    rootKey: { accessKeyId: "test", secretAccessKey: "0123" },
    databaseUrl: "postgres://berth:hunter2@db/berth?sslmode=require",
    blobs: { kind: "file", root: "/mnt/blobs" },
    archive: { kind: "file", root: "/mnt/archive" },
  } as unknown as typeof config);
});

test("a variable wins over the file, one by one", () => {
  const config = load(
    { BERTH_LOG_LEVEL: "error", BERTH_REGION: "eu-west-2" },
    "region: eu-west-1\nlog: { format: json }\n",
  );
  expect(config.region as string).toBe("eu-west-2");
  expect(config.log).toEqual({ level: "error", format: "json" });
});

test("berth.yaml is read where it is, and an empty variable counts as none", () => {
  const folder = mkdtempSync(join(cwd, "with-file-"));
  writeFileSync(join(folder, "berth.yaml"), "account: 123456789012\n");
  expect(loadConfig({ env: { BERTH_ACCOUNT: "" }, cwd: folder }).account as string).toBe("123456789012");
  writeFileSync(join(folder, "berth.yaml"), "# nothing yet\n");
  expect(loadConfig({ env: {}, cwd: folder }).account as string).toBe("000000000000");
});

test("the value is frozen all through", () => {
  const config = load({ BERTH_REGIONS: "us-east-1, eu-west-1" });
  expect(config.regions as readonly string[]).toEqual(["us-east-1", "eu-west-1"]);
  for (const part of [config, config.listen, config.log, config.regions]) expect(Object.isFrozen(part)).toBe(true);
});

test("the public URL follows the port", () => {
  expect(publicUrlOf(load({ BERTH_LISTEN: "0.0.0.0:8080" }))).toBe("http://localhost:8080");
  expect(publicUrlOf(load({ BERTH_LISTEN: "127.0.0.1:0" }), 41234)).toBe("http://localhost:41234");
  expect(publicUrlOf(load({ BERTH_PUBLIC_URL: "https://registry.example.com/" }))).toBe("https://registry.example.com");
});

test("what Kubernetes says about a service named berth is not ours", () => {
  const env = {
    BERTH_SERVICE_HOST: "10.0.0.1",
    BERTH_SERVICE_PORT: "5080",
    BERTH_SERVICE_PORT_HTTP: "5080",
    BERTH_PORT: "tcp://10.0.0.1:5080",
    BERTH_PORT_5080_TCP: "tcp://10.0.0.1:5080",
    BERTH_PORT_5080_TCP_PROTO: "tcp",
    BERTH_PORT_5080_TCP_PORT: "5080",
    BERTH_PORT_5080_TCP_ADDR: "10.0.0.1",
    BERTH_WEB_SERVICE_HOST: "10.0.0.2",
    BERTH_WEB_PORT: "tcp://10.0.0.2:80",
  };
  expect(problemsOf(env)).toBe("none");
});

const listen = "allowed: host:port, such as 127.0.0.1:5080 or [::1]:5080";
const publicUrl =
  "allowed: http://HOST or https://HOST with nothing behind the host, which may begin with {account}.dkr.ecr.{region}.";
const rates = (given: string) =>
  `limits.rates (BERTH_LIMITS_RATES): given "${given}"; allowed: off, ecr, or OPERATION=PER_SECOND or OPERATION=PER_SECOND/BURST with commas between them, such as ecr,PutImage=20/40 or *=100`;
const database = "allowed: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";

test.each<[variable: string, value: string, message: string]>([
  ["BERTH_LISTEN", "5080", `listen (BERTH_LISTEN): given "5080"; ${listen}`],
  ["BERTH_LISTEN", ":5080", `listen (BERTH_LISTEN): given ":5080"; ${listen}`],
  ["BERTH_LISTEN", "localhost:65536", `listen (BERTH_LISTEN): given "localhost:65536"; ${listen}`],
  ["BERTH_LISTEN", "::1:5080", `listen (BERTH_LISTEN): given "::1:5080"; ${listen}`],
  ["BERTH_LISTEN", "[::zz]:5080", `listen (BERTH_LISTEN): given "[::zz]:5080"; ${listen}`],
  ["BERTH_LISTEN", "http://localhost:5080", `listen (BERTH_LISTEN): given "http://localhost:5080"; ${listen}`],
  [
    "BERTH_PUBLIC_URL",
    "registry.example.com",
    `publicUrl (BERTH_PUBLIC_URL): given "registry.example.com"; ${publicUrl}`,
  ],
  ["BERTH_PUBLIC_URL", "ftp://registry", `publicUrl (BERTH_PUBLIC_URL): given "ftp://registry"; ${publicUrl}`],
  [
    "BERTH_PUBLIC_URL",
    "https://registry/path",
    `publicUrl (BERTH_PUBLIC_URL): given "https://registry/path"; ${publicUrl}`,
  ],
  [
    "BERTH_PUBLIC_URL",
    "https://registry:99999",
    `publicUrl (BERTH_PUBLIC_URL): given "https://registry:99999"; ${publicUrl}`,
  ],
  ["BERTH_PUBLIC_URL", "https://me:hunter2@registry", `publicUrl (BERTH_PUBLIC_URL): given "https:…"; ${publicUrl}`],
  ["BERTH_PUBLIC_URL", "https://registry?x=hunter2", `publicUrl (BERTH_PUBLIC_URL): given "https:…"; ${publicUrl}`],
  [
    "BERTH_PUBLIC_URL",
    "https://{account}.example.com",
    `publicUrl (BERTH_PUBLIC_URL): given "https://{account}.example.com"; ${publicUrl}`,
  ],
  [
    "BERTH_PUBLIC_URL",
    "https://{account}.dkr.ecr.{zone}.example.com",
    `publicUrl (BERTH_PUBLIC_URL): given "https://{account}.dkr.ecr.{zone}.example.com"; ${publicUrl}`,
  ],
  ["BERTH_ACCOUNT", "12345678901", `account (BERTH_ACCOUNT): given "12345678901"; allowed: 12 digits`],
  ["BERTH_REGION", "Frankfurt", `region (BERTH_REGION): given "Frankfurt"; allowed: a region, such as us-east-1`],
  [
    "BERTH_REGIONS",
    "us-east-1,nowhere",
    `regions.1 (BERTH_REGIONS): given "nowhere"; allowed: a list of regions, such as us-east-1`,
  ],
  [
    "BERTH_REGIONS",
    "eu-west-1",
    "region and regions (BERTH_REGIONS): regions must have region in it, the one that a request without a region means",
  ],
  [
    "BERTH_REPLICATION_PEERS",
    "eu-west-1=https://registry.example.com",
    "replication.peers and replication.peerCredentials (BERTH_REPLICATION_PEERS): peers are reached with access keys; give the file that has them",
  ],
  [
    "BERTH_ROOT_ACCESS_KEY_ID",
    "AKIA",
    "rootAccessKeyId and rootSecretAccessKey (BERTH_ROOT_ACCESS_KEY_ID): they belong together; give both or neither",
  ],
  [
    "BERTH_KMS_MASTER_KEY",
    "hunter2",
    "kms.masterKey (BERTH_KMS_MASTER_KEY): given a value that is not shown; allowed: 32 bytes in base64; behind a comma, the one of before",
  ],
  [
    "BERTH_ROOT_SECRET_ACCESS_KEY",
    "hunter2",
    "rootAccessKeyId and rootSecretAccessKey (BERTH_ROOT_SECRET_ACCESS_KEY): they belong together; give both or neither",
  ],
  ["BERTH_DATABASE_URL", "mysql://me:hunter2@db", `databaseUrl (BERTH_DATABASE_URL): given "mysql:…"; ${database}`],
  ["BERTH_DATABASE_URL", "postgres://", `databaseUrl (BERTH_DATABASE_URL): given "postgres://"; ${database}`],
  ["BERTH_DATABASE_URL", "sqlite:", `databaseUrl (BERTH_DATABASE_URL): given "sqlite:"; ${database}`],
  [
    "BERTH_BLOBS_URL",
    "s3://bucket/prefix",
    'blobsUrl (BERTH_BLOBS_URL): given "s3://bucket/prefix"; allowed: file:PATH; this version does not keep blobs in S3 yet',
  ],
  ["BERTH_BLOBS_URL", "/mnt/blobs", 'blobsUrl (BERTH_BLOBS_URL): given "/mnt/blobs"; allowed: file:PATH'],
  ["BERTH_WORKERS", "0", 'workers (BERTH_WORKERS): given "0"; allowed: a whole number from 1 to 64'],
  ["BERTH_WORKERS", "65", 'workers (BERTH_WORKERS): given "65"; allowed: a whole number from 1 to 64'],
  ["BERTH_WORKERS", "auto", 'workers (BERTH_WORKERS): given "auto"; allowed: a whole number from 1 to 64'],
  ["BERTH_FOREIGN_LAYERS", "no", 'foreignLayers (BERTH_FOREIGN_LAYERS): given "no"; allowed: one of allow, refuse'],
  ["BERTH_CREATE_ON_PUSH", "yes", 'createOnPush (BERTH_CREATE_ON_PUSH): given "yes"; allowed: true or false'],
  [
    "BERTH_LOG_LEVEL",
    "loud",
    'log.level (BERTH_LOG_LEVEL): given "loud"; allowed: one of trace, debug, info, warn, error, fatal',
  ],
  ["BERTH_LOG_FORMAT", "xml", 'log.format (BERTH_LOG_FORMAT): given "xml"; allowed: one of auto, json, pretty'],
  [
    "BERTH_SHUTDOWN_GRACE_SECONDS",
    "-1",
    'shutdownGraceSeconds (BERTH_SHUTDOWN_GRACE_SECONDS): given "-1"; allowed: a whole number from 0 to 3600',
  ],
  [
    "BERTH_UPLOAD_EXPIRY_HOURS",
    "0",
    'uploadExpiryHours (BERTH_UPLOAD_EXPIRY_HOURS): given "0"; allowed: a whole number from 1 to 8760',
  ],
  [
    "BERTH_LIMITS_OPEN_UPLOADS",
    "0",
    'limits.openUploads (BERTH_LIMITS_OPEN_UPLOADS): given "0"; allowed: a whole number from 1 to 1000000',
  ],
  ["BERTH_LIMITS_RATES", "PutImage", rates("PutImage")],
  ["BERTH_LIMITS_RATES", "PutImage=0", rates("PutImage=0")],
  ["BERTH_LIMITS_RATES", "PutImage=5/0", rates("PutImage=5/0")],
  ["BERTH_LIMITS_RATES", "PutImage=1,PutImage=2", rates("PutImage=1,PutImage=2")],
  ["BERTH_LIMITS_RATES", "off,PutImage=1", rates("off,PutImage=1")],
  ["BERTH_LIMITS_RATES", "PutImage=1,ecr", rates("PutImage=1,ecr")],
  [
    "BERTH_METRICS_LISTEN",
    "5081",
    'metricsListen (BERTH_METRICS_LISTEN): given "5081"; allowed: host:port, such as 127.0.0.1:5081 or [::1]:5081',
  ],
  ["BERTH_LISTN", "127.0.0.1:1", "BERTH_LISTN: there is no such variable; did you mean BERTH_LISTEN?"],
  ["BERTH_PUBLICURL", "http://x", "BERTH_PUBLICURL: there is no such variable; did you mean BERTH_PUBLIC_URL?"],
  ["BERTH_PORT", "5080", "BERTH_PORT: there is no such variable"],
  ["BERTH_COFFEE", "hunter2", "BERTH_COFFEE: there is no such variable"],
])("%s=%s is refused", (variable, value, message) => {
  expect(problemsOf({ [variable]: value })).toBe(message);
});

test.each<[yaml: string, message: string]>([
  ["- a\n", "settings.yaml: given a list; allowed: a map of keys"],
  ["account: '1\n", "settings.yaml line 2: this is not YAML: Missing closing 'quote"],
  ["account: 1\naccount: 2\n", "settings.yaml line 2: this is not YAML: Map keys must be unique"],
  ["account: *a\n", "settings.yaml: this is not YAML: Unresolved alias (the anchor must be set before the alias): a"],
  ["\n\nacount: 123456789012\n", "acount (settings.yaml line 3): there is no such key; did you mean account?"],
  ["public_url: x\n", "public_url (settings.yaml line 1): there is no such key; did you mean publicUrl?"],
  ["log:\n  levle: debug\n", "log.levle (settings.yaml line 2): there is no such key; did you mean log.level?"],
  ["log: debug\n", 'log (settings.yaml line 1): given "debug"; allowed: a map of level and format'],
  ["listen: [a]\n", `listen (settings.yaml line 1): given a list; ${listen}`],
  ["data:\n", "data (settings.yaml line 1): given nothing; allowed: a directory"],
  ["account: { a: b }\n", "account (settings.yaml line 1): given a map; allowed: 12 digits"],
  ["regions: []\n", "regions (settings.yaml line 1): given a list; allowed: a list of regions, such as us-east-1"],
  [
    "regions:\n  - us-east-1\n  - moon\n",
    'regions.1 (settings.yaml line 3): given "moon"; allowed: a list of regions, such as us-east-1',
  ],
  [
    'rootAccessKeyId: "hunter\\n2"\nrootSecretAccessKey: x\n',
    "rootAccessKeyId (settings.yaml line 1): given a value that is not shown; allowed: a text without control characters",
  ],
])("the file %j is refused", (yaml, message) => {
  expect(problemsOf({}, yaml)).toBe(message);
});

test("a file that was asked for must be there", () => {
  expect(() => loadConfig({ env: {}, cwd, file: "none.yaml" })).toThrow("none.yaml: the file cannot be read (ENOENT)");
});

test("all problems at once, from wherever they come", () => {
  const problems = problemsOf(
    { BERTH_LISTEN: "x", BERTH_LISTN: "y", BERTH_ROOT_ACCESS_KEY_ID: "k" },
    "account: 1\nlog: { level: loud }\ncolour: red\n",
  );
  expect(problems.split("\n").map((line) => line.split(/[ :]/)[0])).toEqual([
    "BERTH_LISTN",
    "listen",
    "account",
    "log.level",
    "colour",
    "rootAccessKeyId",
  ]);
});

test("with a certificate, clients are sent to https://", () => {
  const config = load({ BERTH_TLS_CERTIFICATE: "a.crt", BERTH_TLS_KEY: "/b.key" });
  expect(config.tls).toEqual({ certificate: join(cwd, "a.crt"), key: "/b.key", minVersion: "1.2" });
  expect(publicUrlOf(config, 8443)).toBe("https://localhost:8443");
  const given = load(
    { BERTH_PUBLIC_URL: "https://registry.example.com" },
    "tls: { certificate: a, key: b, minVersion: 1.3 }",
  );
  expect(given.tls?.minVersion).toBe("1.3");
  expect(publicUrlOf(given, 8443)).toBe("https://registry.example.com");
});

test.each<[settings: Record<string, string>, message: string]>([
  [
    { BERTH_TLS_CERTIFICATE: "a.crt" },
    "tls.certificate and tls.key (BERTH_TLS_CERTIFICATE): they belong together; give both or neither",
  ],
  [
    { BERTH_TLS_KEY: "a.key" },
    "tls.certificate and tls.key (BERTH_TLS_KEY): they belong together; give both or neither",
  ],
  [
    { BERTH_TLS_CLIENT_AUTHORITY: "ca.crt" },
    "tls.clientAuthority (BERTH_TLS_CLIENT_AUTHORITY): it needs tls.certificate and tls.key",
  ],
  [
    { BERTH_TLS_CLIENT_CERTIFICATES: "optional" },
    "tls.clientCertificates (BERTH_TLS_CLIENT_CERTIFICATES): it needs tls.clientAuthority",
  ],
  [
    { BERTH_TLS_CLIENT_REVOKED: "revoked" },
    "tls.clientRevoked (BERTH_TLS_CLIENT_REVOKED): it needs tls.clientCertificates, which is required or optional",
  ],
  [
    { BERTH_TLS_CLIENT_IDENTITIES: "cn:a=arn:aws:iam::000000000000:user/a" },
    "tls.clientIdentities (BERTH_TLS_CLIENT_IDENTITIES): it needs tls.clientCertificates, which is required or optional",
  ],
  [
    { BERTH_TLS_CLIENT_CERTIFICATES: "yes" },
    'tls.clientCertificates (BERTH_TLS_CLIENT_CERTIFICATES): given "yes"; allowed: required or optional',
  ],
  [{ BERTH_TLS_MIN_VERSION: "1.1" }, 'tls.minVersion (BERTH_TLS_MIN_VERSION): given "1.1"; allowed: one of 1.2, 1.3'],
])("of the TLS settings, %j is refused", (settings, message) => {
  expect(problemsOf(settings)).toBe(message);
});

test("certificates of clients stand for users and roles", () => {
  const given = load({
    BERTH_TLS_CERTIFICATE: "a",
    BERTH_TLS_KEY: "b",
    BERTH_TLS_CLIENT_AUTHORITY: "ca.crt",
    BERTH_TLS_CLIENT_CERTIFICATES: "required",
    BERTH_TLS_CLIENT_IDENTITIES:
      "uri:spiffe://example.org/*/sa/*=arn:aws:iam::000000000000:role/team/ci, dns:*.Example.org=arn:aws:iam::111111111111:user/a=b",
  });
  expect<unknown>(given.tls?.clientIdentities).toEqual([
    { kind: "uri", pattern: "spiffe://example.org/*/sa/*", principal: "arn:aws:iam::000000000000:role/team/ci" },
    { kind: "dns", pattern: "*.example.org", principal: "arn:aws:iam::111111111111:user/a=b" },
  ]);
});

test.each([
  "puller=arn:aws:iam::000000000000:user/a",
  "name:puller=arn:aws:iam::000000000000:user/a",
  "cn:=arn:aws:iam::000000000000:user/a",
  "cn:a*b*=arn:aws:iam::000000000000:user/a",
  "uri:spiffe://a/**=arn:aws:iam::000000000000:user/a",
  "cn:a=arn:aws:iam::000000000000:root",
  "cn:a=arn:aws:iam::000000000000:group/a",
  "cn:a=arn:aws:iam::1:user/a",
  "cn:a=arn:aws:sts::000000000000:assumed-role/a/b",
])("%j says not whom a certificate stands for", (BERTH_TLS_CLIENT_IDENTITIES) => {
  expect(problemsOf({ BERTH_TLS_CLIENT_IDENTITIES })).toMatch(/^tls\.clientIdentities\.0 .*allowed: KIND:NAME=ARN/);
});

test("every setting is explained", () => {
  const help = settingsHelp();
  expect(help.find(({ key }) => key === "log.level")).toEqual({
    key: "log.level",
    variable: "BERTH_LOG_LEVEL",
    meaning: "one of trace, debug, info, warn, error, fatal",
    preset: "info",
  });
  expect(help.filter(({ meaning }) => meaning === "")).toEqual([]);
});
