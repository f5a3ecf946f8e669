import { readFile } from "node:fs/promises";
import { CommandFailed } from "../failure.ts";
import { isObject } from "./layout-index.ts";

/** What `docker login` was told (Docker CLI reference, "config.json properties" and "Credential stores"). */

export interface Login {
  readonly user: string;
  readonly password: string;
}

const maxAnswerBytes = 64 * 1024;
const helperTimeoutMs = 30_000;
/** By this name Docker files what it knows of Docker Hub. */
const hub = "https://index.docker.io/v1/";

/** @throws CommandFailed for a file or helper that cannot be used */
export async function dockerLogin(file: string | undefined, host: string): Promise<Login | undefined> {
  const config = file === undefined ? undefined : await readConfig(file);
  if (!config) return undefined;
  const names =
    host === "docker.io" ? [hub, "docker.io", "index.docker.io"] : [host, `https://${host}`, `http://${host}`];
  for (const name of names) {
    const helper = memberOf(config.credHelpers, name);
    if (typeof helper === "string") return askHelper(helper, name);
  }
  const store = config.credsStore;
  for (const name of names) {
    const entry = memberOf(config.auths, name);
    const login = isObject(entry) ? loginIn(entry) : undefined;
    if (login) return login;
    const stored = typeof store === "string" && store !== "" ? await askHelper(store, name) : undefined;
    if (stored) return stored;
  }
  return undefined;
}

async function readConfig(file: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new CommandFailed(`${file} cannot be read (${code})`);
  }
  try {
    const config = JSON.parse(text);
    if (isObject(config)) return config;
  } catch {
    // Said below, without what stands there.
  }
  throw new CommandFailed(`${file} is not a JSON object`);
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function loginIn({ auth, username, password }: Record<string, unknown>): Login | undefined {
  if (typeof username === "string" && typeof password === "string" && username !== "")
    return { user: username, password };
  if (typeof auth !== "string" || auth === "") return undefined;
  return loginOf(Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, ""));
}

/** `user:password`. The user has no colon; a password may. */
export function loginOf(text: string): Login | undefined {
  const colon = text.indexOf(":");
  return colon <= 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** `docker-credential-NAME get`, with the registry on its standard input. */
async function askHelper(name: string, registry: string): Promise<Login | undefined> {
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name))
    throw new CommandFailed("config.json names a credential helper that is no name");
  const program = Bun.which(`docker-credential-${name}`);
  if (!program)
    throw new CommandFailed(`there is no docker-credential-${name}, which config.json of Docker names for ${registry}`);
  const child = Bun.spawn([program, "get"], {
    stdin: Buffer.from(registry),
    stdout: "pipe",
    stderr: "ignore",
    timeout: helperTimeoutMs,
    maxBuffer: maxAnswerBytes,
  });
  const answer = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) {
    if (/credentials not found/i.test(answer)) return undefined;
    throw new CommandFailed(`docker-credential-${name} has no credentials for ${registry}`);
  }
  try {
    const { Username, Secret } = JSON.parse(answer);
    // A token in place of a password is for a protocol of its own, and helpers call that user <token>.
    if (typeof Username === "string" && typeof Secret === "string" && Username !== "<token>") {
      return { user: Username, password: Secret };
    }
  } catch {
    // Said below, without what it answered.
  }
  throw new CommandFailed(`docker-credential-${name} answered for ${registry} what is no user and password`);
}
