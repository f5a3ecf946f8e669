import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { type ClientVariable, ConfigError, type Problem } from "./config.ts";
import { parseRegion } from "./domain/names.ts";

/**
 * What our own commands go by when they are clients of a Berth: the variables of the AWS CLI, a few of our own, and
 * helper.yaml. Nothing is read from the working directory: Docker runs a credential helper wherever its user happens to
 * be, and a folder that somebody else made must not say where credentials are sent.
 */
export interface ClientConfig {
  /** Where each API is. Absent: nobody has said where. */
  readonly endpoints: Readonly<Partial<Record<ApiService, URL>>>;
  /** Absent: whatever region the server takes for its own is not known; `us-east-1`. */
  readonly region: string;
  /** The registry hosts that may be given credentials, in place of those that the endpoint gives. */
  readonly hosts?: readonly string[];
  /** The key pair in the environment. */
  readonly keys?: KeyPair;
  readonly webIdentity?: {
    readonly tokenFile: string;
    readonly roleArn: string;
    readonly sessionName?: string;
  };
  /** A role without a token file, for whoever gets its tokens otherwise. */
  readonly roleArn?: string;
  /** The profile, and whether somebody asked for it. */
  readonly profile: { readonly name: string; readonly given: boolean };
  readonly credentialsFile?: string;
  /** The root key pair of a Berth on this machine. */
  readonly localCredentialsFile?: string;
  /** A file of authorities in PEM that vouch for the endpoints, in place of those that the system trusts. */
  readonly authorityFile?: string;
  /** Where tokens are kept between two calls. Absent where there is no home directory. */
  readonly cacheDirectory?: string;
}

export type ApiService = "ecr" | "sts" | "berth";

export interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface ClientSources {
  /** `--config`. Without it BERTH_HELPER_CONFIG, or helper.yaml in ~/.berth if it is there. */
  readonly file?: string;
  readonly env?: Record<string, string | undefined>;
  readonly home?: string;
  /** Where the API is when nothing says so. */
  readonly presets?: Settings;
}

type Settings = z.output<typeof fileSchema>;

const url = z
  .string()
  .transform((given) => originOf(given))
  .refine((given) => given !== undefined, {
    error: "allowed: http://HOST or https://HOST with nothing behind the host",
  });

const fileSchema = z.strictObject({
  endpoint: url.optional(),
  region: z
    .string()
    .refine((given) => parseRegion(given) !== undefined, { error: "allowed: a region, such as us-east-1" })
    .optional(),
  hosts: z
    .array(z.string().refine(isHostPattern, { error: "allowed: HOST or HOST:PORT, in which * stands for one label" }))
    .optional(),
  data: z.string().min(1).optional(),
});

/** @throws ConfigError naming every problem. */
export function clientConfig(sources: ClientSources = {}): ClientConfig {
  const { env = process.env, home = env.HOME || homedirOrNone(), presets = {} } = sources;
  const value = (name: string) => env[name] || undefined;
  const own = (name: ClientVariable) => value(name);
  const problems: Problem[] = [];

  function urlFrom(name: string): URL | undefined {
    const given = value(name);
    const origin = given === undefined ? undefined : originOf(given);
    if (given !== undefined && !origin) {
      problems.push({ key: name, text: "allowed: http://HOST or https://HOST with nothing behind the host" });
    }
    return origin;
  }

  function hostsFrom(name: ClientVariable): string[] | undefined {
    const hosts = own(name)
      ?.split(",")
      .map((host) => host.trim());
    if (hosts && !hosts.every(isHostPattern)) {
      problems.push({ key: name, text: "allowed: HOST or HOST:PORT with commas between them; * stands for one label" });
    }
    return hosts;
  }

  const given = sources.file ?? own("BERTH_HELPER_CONFIG");
  const file = readSettings(given, home && join(home, ".berth", "helper.yaml"), problems);
  const settings = { ...presets, ...file };

  const anyService = urlFrom("BERTH_ENDPOINT") ?? urlFrom("AWS_ENDPOINT_URL") ?? settings.endpoint;
  // A variable that names one service is as clear as it gets. Where it is the only one, it is ours for the others too.
  const ecr = urlFrom("AWS_ENDPOINT_URL_ECR") ?? anyService;
  const sts = urlFrom("AWS_ENDPOINT_URL_STS") ?? anyService ?? ecr;
  const region = value("AWS_REGION") ?? value("AWS_DEFAULT_REGION") ?? settings.region ?? "us-east-1";
  if (!parseRegion(region)) problems.push({ key: "AWS_REGION", text: "allowed: a region, such as us-east-1" });
  const hosts = hostsFrom("BERTH_HELPER_HOSTS") ?? settings.hosts;

  const accessKeyId = value("AWS_ACCESS_KEY_ID");
  const secretAccessKey = value("AWS_SECRET_ACCESS_KEY");
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    const key = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    problems.push({ key, text: "they belong together; give both or neither" });
  }
  const tokenFile = value("AWS_WEB_IDENTITY_TOKEN_FILE");
  const roleArn = value("AWS_ROLE_ARN");
  if (tokenFile && !roleArn) problems.push({ key: "AWS_ROLE_ARN", text: "AWS_WEB_IDENTITY_TOKEN_FILE needs it" });
  const data = settings.data ?? value("BERTH_DATA");

  if (problems.length > 0) throw new ConfigError(problems);
  return {
    endpoints: { ecr, sts, berth: anyService ?? ecr },
    region,
    hosts,
    keys:
      accessKeyId && secretAccessKey
        ? { accessKeyId, secretAccessKey, sessionToken: value("AWS_SESSION_TOKEN") }
        : undefined,
    webIdentity: tokenFile && roleArn ? { tokenFile, roleArn, sessionName: value("AWS_ROLE_SESSION_NAME") } : undefined,
    roleArn,
    profile: { name: value("AWS_PROFILE") ?? "default", given: value("AWS_PROFILE") !== undefined },
    credentialsFile: value("AWS_SHARED_CREDENTIALS_FILE") ?? (home && join(home, ".aws", "credentials")),
    localCredentialsFile: data && resolve(data, "credentials"),
    authorityFile: value("AWS_CA_BUNDLE"),
    cacheDirectory: home && join(home, ".berth", "tokens"),
  };
}

/** What copies between registries take from the environment, beside the above. */
export interface CopyConfig {
  /** `user:password` of either side. */
  readonly sourceCredentials?: string;
  readonly destinationCredentials?: string;
  /** Where Docker keeps what `docker login` was told. */
  readonly dockerConfigFile?: string;
  /** Where it is kept which uploads are not finished. */
  readonly journalDirectory?: string;
}

export function copyConfig(env: Record<string, string | undefined> = process.env): CopyConfig {
  const own = (name: ClientVariable) => env[name] || undefined;
  const home = env.HOME || homedirOrNone();
  const docker = env.DOCKER_CONFIG || (home && join(home, ".docker"));
  return {
    sourceCredentials: own("BERTH_COPY_SRC_CREDS"),
    destinationCredentials: own("BERTH_COPY_DEST_CREDS"),
    dockerConfigFile: docker && join(docker, "config.json"),
    journalDirectory: home && join(home, ".berth", "copies"),
  };
}

/** kubelet may run a plugin for a user that has none. */
function homedirOrNone(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

function readSettings(given: string | undefined, preset: string | undefined, problems: Problem[]): Settings {
  const file = given ?? preset;
  if (file === undefined || (given === undefined && !existsSync(file))) return {};
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    problems.push({ key: file, text: `the file cannot be read (${(error as NodeJS.ErrnoException).code})` });
    return {};
  }
  const document = parseDocument(text, { schema: "failsafe", prettyErrors: false });
  const [wrong] = document.errors;
  if (wrong) {
    problems.push({ key: file, text: `this is not YAML: ${wrong.message}` });
    return {};
  }
  const parsed = fileSchema.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) {
    problems.push({ key: path.join(".") || file, from: file, text: message });
  }
  return {};
}

function originOf(given: string): URL | undefined {
  const parsed = URL.parse(given);
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.hostname === "") return undefined;
  const { username, password, pathname, search, hash } = parsed;
  return username || password || pathname !== "/" || search || hash ? undefined : parsed;
}

function isHostPattern(given: string): boolean {
  return /^(?:\[[0-9a-f:.]+\]|[a-z0-9*](?:[a-z0-9.*-]*[a-z0-9*])?)(?::\d{1,5})?$/i.test(given);
}
