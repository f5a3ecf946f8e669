import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { schemaFor } from "./config-schema.ts";

/**
 * The only reader of berth.yaml and, but for client-config.ts, of the environment. Every setting is a text, in the file as
 * in its variable (the file is read without YAML's types, so that `account: 000000000000` stays twelve digits); one schema
 * (config-schema.ts) turns the texts into values, and its messages say what is allowed.
 */
export type Config = Frozen<z.output<ReturnType<typeof schemaFor>> & Surroundings>;

/** What is not set by anybody for Berth, and matters to it. */
interface Surroundings {
  /** The folder in which systemd gives a service its credentials. */
  credentialsDirectory?: string;
}

type Frozen<T> = T extends string ? T : T extends object ? { readonly [Key in keyof T]: Frozen<T[Key]> } : T;

export interface Problem {
  /** The key's path, `log.level`. */
  readonly key: string;
  /** The variable or the file that it came from. */
  readonly from?: string;
  readonly text: string;
}

/** Everything that is wrong with the configuration, at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly problems: readonly Problem[]) {
    super(
      problems.map(({ key, from, text }) => `${key}${from && from !== key ? ` (${from})` : ""}: ${text}`).join("\n"),
    );
  }
}

export interface ConfigSources {
  /** `--config`. Without it, berth.yaml in the working directory is read if it is there. */
  file?: string;
  /** A directory given on the command line wins over file and variable. */
  data?: string;
  env?: Record<string, string | undefined>;
  cwd?: string;
}

/** Keys whose values are never shown. */
const secretKeys = new Set([
  "rootAccessKeyId",
  "rootSecretAccessKey",
  "kms.masterKey",
  "kms.awsAccessKeyId",
  "kms.awsSecretAccessKey",
  "kms.awsSessionToken",
  "kms.vaultToken",
  "pullThrough.mirrors",
]);

/** @throws ConfigError naming every problem. */
export function loadConfig({ file, data, env = process.env, cwd = process.cwd() }: ConfigSources = {}): Config {
  const problems: Problem[] = [];
  const schema = schemaFor(cwd);
  const keys = settingsOf(schema.in.shape).map(([key]) => key);
  const origins = new Map<string, string>();

  const settings = readFile(file, cwd, origins, problems);
  readVariables(env, keys, settings, origins, problems);
  readStandardVariables(env, settings, origins);
  if (data !== undefined) {
    settings.data = data;
    origins.set("data", "--data");
  }

  const result = schema.safeParse(settings);
  if (!result.success)
    problems.push(...result.error.issues.flatMap((issue) => explain(issue, settings, keys, origins)));
  if (problems.length > 0 || !result.success) throw new ConfigError(problems);
  const { CREDENTIALS_DIRECTORY: credentialsDirectory } = env;
  return freeze({ ...result.data, ...(credentialsDirectory && { credentialsDirectory }) });
}

/** Where clients reach a server with this configuration: `port` is the one it listens on. */
export function publicUrlOf(config: Config, port = config.listen.port): string {
  return config.publicUrl ?? `${config.tls ? "https" : "http"}://localhost:${port}`;
}

export interface SettingHelp {
  readonly key: string;
  readonly variable: string;
  readonly meaning: string;
  readonly preset?: string;
}

/** For `--help`. */
export function settingsHelp(): SettingHelp[] {
  return settingsOf(schemaFor("/").in.shape).map(([key, type]) => ({
    key,
    variable: variableOf(key),
    meaning: z.globalRegistry.get(type)?.description ?? "",
    ...(type instanceof z.ZodPrefault ? { preset: String(type.def.defaultValue) } : {}),
  }));
}

type Settings = { [key: string]: unknown };

function readFile(given: string | undefined, cwd: string, origins: Map<string, string>, problems: Problem[]): Settings {
  const name = given ?? "berth.yaml";
  const location = resolve(cwd, name);
  if (given === undefined && !existsSync(location)) return {};
  let source: string;
  try {
    source = readFileSync(location, "utf8");
  } catch (error) {
    problems.push({ key: name, text: `the file cannot be read (${(error as NodeJS.ErrnoException).code})` });
    return {};
  }
  const lines = new LineCounter();
  // The parser's own long messages quote the line, which may hold a secret.
  const document = parseDocument(source, { schema: "failsafe", lineCounter: lines, prettyErrors: false });
  for (const { message, pos } of [...document.errors, ...document.warnings]) {
    problems.push({ key: `${name} line ${lines.linePos(pos[0]).line}`, text: `this is not YAML: ${message}` });
  }
  if (document.errors.length > 0) return {};
  let content: unknown;
  try {
    content = document.toJS() ?? {};
  } catch (error) {
    problems.push({ key: name, text: `this is not YAML: ${(error as Error).message}` });
    return {};
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    problems.push({ key: name, text: `given ${show(content)}; allowed: a map of keys` });
    return {};
  }
  const visit = (value: unknown, path: string[]) => {
    const node = document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    const line = node?.range ? ` line ${lines.linePos(node.range[0]).line}` : "";
    origins.set(path.join("."), `${name}${line}`);
    if (typeof value !== "object" || value === null) return;
    for (const [key, member] of Object.entries(value)) visit(member, [...path, key]);
  };
  for (const [key, value] of Object.entries(content)) visit(value, [key]);
  return content as Settings;
}

/** Read by our commands where they are clients (client-config.ts); a server beside them has no use for them. */
const clientVariables = [
  "BERTH_ENDPOINT",
  "BERTH_HELPER_CONFIG",
  "BERTH_HELPER_HOSTS",
  "BERTH_COPY_SRC_CREDS",
  "BERTH_COPY_DEST_CREDS",
] as const;

export type ClientVariable = (typeof clientVariables)[number];

/** An empty variable counts as none: that is how compose files and shells leave one out. */
function readVariables(
  env: Record<string, string | undefined>,
  keys: readonly string[],
  settings: Settings,
  origins: Map<string, string>,
  problems: Problem[],
): void {
  const byVariable = new Map(keys.map((key) => [variableOf(key), key]));
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith("BERTH_") || value === undefined || value === "") continue;
    if (clientVariables.some((name) => name === variable)) continue;
    const key = byVariable.get(variable);
    if (key !== undefined) {
      const [first = "", second] = key.split(".");
      if (second === undefined) settings[first] = value;
      else {
        const group = settings[first] ?? {};
        // What is no map stays, to be refused.
        if (typeof group === "object") settings[first] = { ...group, [second]: value };
      }
      origins.set(key, variable);
    } else if (!isServiceLink(variable, value)) {
      const text = `there is no such variable${didYouMean(variable, [...byVariable.keys()])}`;
      problems.push({ key: variable, text });
    }
  }
}

interface StandardVariables {
  /** The setting without which they mean nothing. */
  readonly of: string;
  /** They come from one place, or none of them does. */
  readonly group: { readonly [key: string]: readonly string[] };
  readonly unless?: readonly string[];
}

/** What the clients of keepers call it, wherever they run. */
const standardVariables: readonly StandardVariables[] = [
  { of: "awsKey", group: { awsRegion: ["AWS_REGION", "AWS_DEFAULT_REGION"] } },
  {
    of: "awsKey",
    group: {
      awsAccessKeyId: ["AWS_ACCESS_KEY_ID"],
      awsSecretAccessKey: ["AWS_SECRET_ACCESS_KEY"],
      awsSessionToken: ["AWS_SESSION_TOKEN"],
    },
    unless: ["awsRoleArn", "awsWebIdentityTokenFile", "awsCredentialsUrl"],
  },
  {
    of: "awsKey",
    group: { awsRoleArn: ["AWS_ROLE_ARN"], awsWebIdentityTokenFile: ["AWS_WEB_IDENTITY_TOKEN_FILE"] },
    unless: ["awsAccessKeyId", "awsSecretAccessKey", "awsCredentialsUrl"],
  },
  {
    of: "awsKey",
    group: {
      awsCredentialsUrl: ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
      awsCredentialsTokenFile: ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
    },
    unless: ["awsAccessKeyId", "awsSecretAccessKey", "awsRoleArn", "awsWebIdentityTokenFile"],
  },
  { of: "vaultUrl", group: { vaultToken: ["VAULT_TOKEN"] }, unless: ["vaultTokenFile"] },
];

/** Only for a keeper that is configured, and where nobody has said otherwise: they may be there for somebody else. */
function readStandardVariables(
  env: Record<string, string | undefined>,
  settings: Settings,
  origins: Map<string, string>,
): void {
  const { kms } = settings;
  if (typeof kms !== "object" || kms === null || Array.isArray(kms)) return;
  const known: Settings = { ...kms };
  for (const { of, group, unless = [] } of standardVariables) {
    if (known[of] === undefined || [...Object.keys(group), ...unless].some((key) => known[key] !== undefined)) continue;
    for (const [key, variables] of Object.entries(group)) {
      const variable = variables.find((name) => env[name]);
      if (variable === undefined) continue;
      // On ECS it is a path.
      const isPath = variable === "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
      known[key] = isPath ? `http://169.254.170.2${env[variable]}` : env[variable];
      origins.set(`kms.${key}`, variable);
    }
  }
  settings.kms = known;
}

/** Kubernetes describes a service named `berth` to every pod beside it: BERTH_PORT=tcp://…, BERTH_SERVICE_HOST=… */
function isServiceLink(variable: string, value: string): boolean {
  return (
    /_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)$/.test(variable) ||
    /_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(variable) ||
    (/_PORT$/.test(variable) && /^(?:tcp|udp|sctp):\/\//.test(value))
  );
}

// ── Saying what is wrong ────────────────────────────────────────────────────────────────────────────────────────────

function explain(
  issue: z.core.$ZodIssue,
  settings: Settings,
  keys: readonly string[],
  origins: Map<string, string>,
): Problem[] {
  const path = issue.path.map(String);
  if (issue.code === "custom" && issue.params) {
    const involved: string[] = issue.params.keys;
    const from = involved.flatMap((key) => origins.get(key) ?? []).join(", ");
    return [{ key: involved.join(" and "), from, text: issue.message }];
  }
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((unknown) => {
      const key = [...path, unknown].join(".");
      const text = `there is no such key${didYouMean(key, keys)}`;
      return { key, from: origins.get(key), text };
    });
  }
  const key = path.join(".");
  // An item of a list comes from where the list comes from.
  const setting = keys.includes(key) ? key : (keys.find((known) => key.startsWith(`${known}.`)) ?? key);
  const from = origins.get(key) ?? origins.get(setting);
  const given = path.reduce<unknown>((value, step) => {
    return typeof value === "string" ? value.split(",")[Number(step)]?.trim() : (value as Settings)[step];
  }, settings);
  const shown = secretKeys.has(setting) ? "a value that is not shown" : show(given, setting.endsWith("Url"));
  return [{ key, from, text: `given ${shown}; allowed: ${issue.message}` }];
}

function show(value: unknown, isUrl = false): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  if (typeof value !== "string" || value === "") return "nothing";
  // A URL may hold a password, before the host or as a parameter, and a wrong one may hold it anywhere.
  if (isUrl) return JSON.stringify(/[@?]/.test(value) ? `${/^[a-z0-9+]*:?/.exec(value)?.[0]}…` : shorten(value));
  return JSON.stringify(shorten(value));
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function didYouMean(given: string, known: readonly string[]): string {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9.]/g, "");
  const ranked = known
    .map((name) => ({ name, distance: editDistance(plain(given), plain(name)) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best && best.distance <= Math.max(2, given.length / 4) ? `; did you mean ${best.name}?` : "";
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Every setting by its path: `listen`, `log.level`. */
function settingsOf(shape: Record<string, z.core.$ZodType>, prefix = ""): [key: string, type: z.core.$ZodType][] {
  return Object.entries(shape).flatMap(([name, type]): [string, z.core.$ZodType][] => {
    const inner = type instanceof z.ZodPrefault ? type.unwrap() : type;
    return inner instanceof z.ZodObject ? settingsOf(inner.shape, `${prefix}${name}.`) : [[prefix + name, type]];
  });
}

/** `rootAccessKeyId` is BERTH_ROOT_ACCESS_KEY_ID, `log.level` is BERTH_LOG_LEVEL. */
function variableOf(key: string): string {
  return `BERTH_${key.replace(/[A-Z]/g, "_$&").replaceAll(".", "_").toUpperCase()}`;
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
