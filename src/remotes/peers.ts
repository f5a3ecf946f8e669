import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Region } from "../domain/names.ts";
import { type OpenRemote, RemoteFailure } from "../domain/registry/remote-registry.ts";
import type { Peers } from "../domain/replication/peer-target.ts";

export interface ConfiguredPeers {
  readonly peers?: readonly { readonly region: Region; readonly origin: string }[];
  /** An AWS credentials file with a section for each region. */
  readonly peerCredentials?: string;
  /** A file of authorities in PEM. */
  readonly peerAuthority?: string;
}

const maxFileBytes = 1024 * 1024;

/**
 * Other servers that an operator has named. Their addresses are the operator's, so they may be anywhere: in this network, on
 * this machine, and without TLS where the address says so. `undefined` where there are none.
 * @throws what reading the file of authorities does
 */
export function openPeers(configured: ConfiguredPeers, open: OpenRemote): Peers | undefined {
  const { peers = [], peerCredentials: file, peerAuthority } = configured;
  if (peers.length === 0) return undefined;
  const authorities = peerAuthority === undefined ? undefined : readFileSync(peerAuthority, "utf8");
  const origins = new Map(peers.map(({ region, origin }) => [region, origin]));
  const known = new Map<Region, { user: string; password: string } | undefined>();

  /** Read once, and again when the peer refuses what was read: whoever changes a key changes the file. */
  async function credentialsOf(region: Region, again: boolean) {
    if (file === undefined) return undefined;
    if (again || !known.has(region)) known.set(region, sectionOf(await readText(file), region));
    return known.get(region);
  }

  return {
    has: (region) => origins.has(region),
    open(region, headers) {
      const origin = origins.get(region);
      if (origin === undefined) throw new RemoteFailure("out-of-bounds", `no server keeps the region ${region}`);
      return open({
        origin,
        headers,
        authorities,
        credentials: { read: ({ again }) => credentialsOf(region, again) },
        reach: { private: true, loopback: true, insecure: origin.startsWith("http:") },
      });
    },
  };
}

async function readText(file: string): Promise<string> {
  try {
    const text = await readFile(file, "utf8");
    if (text.length <= maxFileBytes) return text;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new RemoteFailure("unavailable", `the credentials file of the peers cannot be read (${code})`, { cause });
  }
  throw new RemoteFailure("unavailable", "the credentials file of the peers is too large");
}

function sectionOf(text: string, region: Region): { user: string; password: string } | undefined {
  let section = "";
  const settings = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^\s*\[\s*([^\]]*?)\s*\]\s*$/.exec(line) ?? [];
    if (name !== undefined) section = name;
    const [, key, value] = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/i.exec(line) ?? [];
    if (section === region && key !== undefined && value) settings.set(key.toLowerCase(), value);
  }
  const user = settings.get("aws_access_key_id");
  const password = settings.get("aws_secret_access_key");
  return user !== undefined && password !== undefined ? { user, password } : undefined;
}
