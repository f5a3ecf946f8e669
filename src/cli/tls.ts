import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Config, loadConfig, publicUrlOf } from "../config.ts";
import type { Pair, Validity } from "./certificates.ts";
import { clientGuide } from "./client-guide.ts";
import { CommandFailed } from "./failure.ts";
import { reachedBy, shellQuote } from "./text.ts";
import { trustGuide } from "./trust-guide.ts";

/** `berth tls …`: an authority of one's own, for where no other can be had. */

interface Options {
  readonly config?: string;
  readonly host: readonly string[];
  readonly out?: string;
  readonly days: string;
}

const authorityDays = 3650;
/** Some systems take no certificate of a server that is valid for longer (Apple: 825 days). */
const longestDays = 825;

export async function tlsInit({ config: file, host, out, days, force = false }: Options & { force?: boolean }) {
  const config = loadConfig({ file });
  const files = filesIn(out, config);
  const inTheWay = Object.values(files).find((path) => existsSync(path));
  if (inTheWay && !force) {
    throw new CommandFailed(
      `${inTheWay} is there already. \`berth tls renew\` makes another certificate from the same authority; --force makes a new authority, which every client has to be told of`,
    );
  }
  const { makeAuthority, makeServerPair } = await import("./certificates.ts");
  const from = new Date();
  const authority = await makeAuthority(`Berth private CA ${from.toISOString().slice(0, 10)} ${randomName()}`, {
    from,
    days: authorityDays,
  });
  const names = [...new Set([...namesInUse(config), ...host.map(hostName)])];
  const pair = await makeServerPair(authority, names, { from, days: daysOf(days) });
  await write(files.authorityKey, authority.key, 0o600);
  await write(files.authority, authority.certificate, 0o644);
  await writePair(files, pair);
  console.log(`Made an authority and a certificate for ${names.join(", ")}.\n`);
  console.log(filesShown(files));
  if (!config.regions) console.log(regionsNote(config.region));
  console.log(settingsShown(files, config));
  console.log(trustGuide({ authority: files.authority, host: hostShown(config) }));
}

export async function tlsRenew({ config: file, host, out, days }: Options) {
  const config = loadConfig({ file });
  const files = filesIn(out, config);
  const authority: Pair = {
    certificate: await existing(files.authority),
    key: await existing(files.authorityKey),
  };
  checkAuthority(authority, files);
  const { makeServerPair, namesIn } = await import("./certificates.ts");
  const names = [...new Set([...namesIn(await existing(files.certificate)), ...host.map(hostName)])];
  const validity: Validity = { from: new Date(), days: daysOf(days) };
  await writePair(files, await makeServerPair(authority, names, validity));
  console.log(`Made another certificate for ${names.join(", ")}.`);
  console.log("A server that uses it takes it within a few seconds; clients notice nothing.");
}

/** A certificate for a client, which the server can take for an IAM user or role. */
export async function tlsClient(
  name: string,
  {
    config: file,
    out,
    days,
    also,
    force = false,
  }: Omit<Options, "host"> & { also: readonly string[]; force?: boolean },
) {
  // It becomes a file's name.
  if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name)) {
    throw new CommandFailed(
      `NAME: given "${name}"; allowed: at most 64 letters, digits and . _ @ -, a letter or digit first`,
    );
  }
  const wrong = also.find((item) => !/^(?:uri:[a-z][a-z0-9+.-]*:|dns:|email:)[\x21-\x7e]+$/.test(item));
  if (wrong !== undefined) {
    throw new CommandFailed(`--also: given "${wrong}"; allowed: uri:, dns: or email: with a name behind it`);
  }
  const config = loadConfig({ file });
  const files = filesIn(out, config);
  const folder = join(files.authority, "..");
  const pairFiles = { certificate: join(folder, `client-${name}.crt`), key: join(folder, `client-${name}.key`) };
  const inTheWay = Object.values(pairFiles).find((path) => existsSync(path));
  if (inTheWay && !force) throw new CommandFailed(`${inTheWay} is there already; --force makes another in its place`);
  const authority: Pair = { certificate: await existing(files.authority), key: await existing(files.authorityKey) };
  checkAuthority(authority, files);
  const { makeClientPair } = await import("./certificates.ts");
  const pair = await makeClientPair(authority, name, { from: new Date(), days: daysOf(days) }, also);
  await writePair(pairFiles, pair);
  const { serialNumber } = new X509Certificate(pair.certificate);
  console.log(
    `Made a certificate for the client ${[name, ...also].join(", ")}, with serial number ${serialNumber.toLowerCase()}.\n`,
  );
  console.log(
    clientGuide({ ...pairFiles, authority: files.authority, host: hostShown(config), name: also[0] ?? `cn:${name}` }),
  );
}

function checkAuthority({ certificate, key }: Pair, files: Files): void {
  let read: { authority: X509Certificate; belongs: boolean };
  try {
    const authority = new X509Certificate(certificate);
    read = { authority, belongs: authority.checkPrivateKey(createPrivateKey(key)) };
  } catch (cause) {
    throw new CommandFailed(`${files.authority} and ${files.authorityKey} cannot be read`, { cause });
  }
  if (!read.belongs) throw new CommandFailed(`${files.authorityKey} is not the key of ${files.authority}`);
  if (Date.parse(read.authority.validTo) < Date.now()) {
    throw new CommandFailed(`${files.authority} has expired. \`berth tls init --force\` makes another authority`);
  }
}

interface Files {
  readonly authority: string;
  readonly authorityKey: string;
  readonly certificate: string;
  readonly key: string;
}

function filesIn(out: string | undefined, config: Config): Files {
  const folder = out === undefined ? join(config.data, "tls") : resolve(out);
  return {
    authority: join(folder, "ca.crt"),
    authorityKey: join(folder, "ca.key"),
    certificate: join(folder, "server.crt"),
    key: join(folder, "server.key"),
  };
}

/** The key first: a server that looks in between finds a pair that does not match, and looks again. */
async function writePair(files: Pick<Files, "certificate" | "key">, { certificate, key }: Pair): Promise<void> {
  await write(files.key, key, 0o600);
  await write(files.certificate, certificate, 0o644);
}

/** All of it or nothing, and never with more rights than it is to have. */
async function write(file: string, content: string, mode: number): Promise<void> {
  const temporary = `${file}.${randomName()}.tmp`;
  try {
    await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
    await writeFile(temporary, content, { flag: "wx", mode, flush: true });
    // Against a umask that takes more away.
    await chmod(temporary, mode);
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new CommandFailed(`${file} cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

async function existing(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "is not there. `berth tls init` makes it" : `cannot be read (${code})`;
    throw new CommandFailed(`${file} ${reason}`, { cause });
  }
}

/** What clients may call the server by, as far as the settings tell. */
function namesInUse(config: Config): string[] {
  const { host } = config.listen;
  const isAny = host === "0.0.0.0" || host === "::";
  const [, called = ""] = /^https?:\/\/(.+?)(?::\d+)?$/.exec(publicUrlOf(config)) ?? [];
  const publicNames = called.includes("{account}")
    ? regionsOf(config).map((region) => called.replace("{account}", "*").replace("{region}", region))
    : [called.replace(/^\[|\]$/g, "")];
  const local = regionsOf(config).map((region) => `*.dkr.ecr.${region}.localhost`);
  const names = [...publicNames, isAny ? hostname() : host, "localhost", "127.0.0.1", "::1", ...local];
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

/** A wildcard stands for one label, so each region needs a name of its own. */
function regionsOf({ regions, region }: Config): readonly string[] {
  return regions ?? [region];
}

function hostName(given: string): string {
  const name = given.toLowerCase().replace(/^\[|\]$/g, "");
  const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
  if (isIP(name) === 0 && !(name.length < 254 && new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`).test(name))) {
    throw new CommandFailed(`--host: given "${given}"; allowed: a host name, *. and a host name, or an address`);
  }
  return name;
}

function daysOf(given: string): number {
  const days = Number(given);
  if (/^\d{1,3}$/.test(given) && days >= 1 && days <= longestDays) return days;
  throw new CommandFailed(`--days: given "${given}"; allowed: a whole number from 1 to ${longestDays}`);
}

function randomName(): string {
  return crypto.randomUUID().slice(0, 8);
}

function filesShown({ authority, authorityKey, certificate, key }: Files): string {
  return [
    `  ${authority}  the authority: for every client, no secret`,
    `  ${authorityKey}  its key: whoever has it can be any server to your clients. Keep it elsewhere until \`berth tls renew\` needs it`,
    `  ${certificate}  the server's certificate`,
    `  ${key}  its key\n`,
  ].join("\n");
}

function regionsNote(region: string): string {
  return `Names of the form ACCOUNT.dkr.ecr.REGION.… are covered for ${region} only. For others: berth tls renew --host '*.dkr.ecr.REGION.…'\n`;
}

function settingsShown({ certificate, key }: Files, config: Config): string {
  const lines = [
    "The server needs:\n",
    `  export BERTH_TLS_CERTIFICATE=${shellQuote(certificate)}`,
    `  export BERTH_TLS_KEY=${shellQuote(key)}`,
  ];
  if (config.publicUrl?.startsWith("http:")) {
    lines.push(`  export BERTH_PUBLIC_URL=${shellQuote(config.publicUrl.replace("http:", "https:"))}`);
  }
  return `${lines.join("\n")}\n`;
}

/** As image names have it: with the port, unless it is the one of https. */
function hostShown(config: Config): string {
  const host = reachedBy(publicUrlOf(config), config).replace(/^https?:\/\//, "");
  return host.replace(/:443$/, "");
}
