import { readFile } from "node:fs/promises";
import type { ClientConfig, CopyConfig } from "../../client-config.ts";
import type { Asking, RemoteCredentials, RemoteRegistry } from "../../domain/registry/remote-registry.ts";
import type { Remotes } from "../../remotes/registry/index.ts";
import { CommandFailed } from "../failure.ts";
import { isLoopback } from "../text.ts";
import { openArchiveDestination } from "./archive-destination.ts";
import { type Archive, openArchive } from "./archive-files.ts";
import { credentialsFor } from "./credentials.ts";
import { openDockerSource } from "./docker-source.ts";
import { filesIn } from "./files.ts";
import { openFolderDestination, openFolderSource } from "./folder-place.ts";
import { createJournal } from "./journal.ts";
import { openLayoutDestination } from "./layout-destination.ts";
import { layoutMarker } from "./layout-index.ts";
import { type LayoutSource, openLayoutSource } from "./layout-source.ts";
import type { Destination, ImageName, Source } from "./places.ts";
import type { PlaceReference, RegistryReference } from "./references.ts";
import { registryDestination, registrySource } from "./registry-place.ts";

/** How one side of a copy is reached. */
export interface SideOptions {
  readonly side: "src" | "dest";
  readonly creds?: string;
  readonly credsFile?: string;
  readonly profile?: string;
  /** In place of those that are looked for. */
  readonly credentials?: RemoteCredentials;
  /** A file of authorities beside those of the system. */
  readonly ca?: string;
  /** Plain HTTP is spoken with a host that is not this machine. */
  readonly insecure: boolean;
  readonly client: ClientConfig;
  readonly environment: CopyConfig;
  readonly remotes: Remotes;
}

export interface SourceOptions extends SideOptions {
  readonly wanted: (repository: string) => boolean;
  readonly warn: (text: string) => void;
  /** In place of a registry's own list of its repositories. */
  readonly repositories?: (options: Asking) => AsyncIterable<string>;
}

export type OpenedSource = Source & Partial<Pick<LayoutSource, "only">>;

/** @throws CommandFailed, CopyFailed */
export async function openSource(reference: PlaceReference, options: SourceOptions): Promise<OpenedSource> {
  const { warn, wanted, repositories } = options;
  switch (reference.kind) {
    case "docker": {
      const remote = await openRegistry(reference, options);
      return registrySource(remote, { repository: reference.repository, wanted, warn, repositories });
    }
    case "oci":
      return openLayoutSource(filesIn(reference.path), { name: reference.name, untagged: true, warn });
    case "oci-archive":
      return over(await openArchive(reference.path), (archive) =>
        openLayoutSource(archive, { name: reference.name, untagged: true, warn }),
      );
    case "docker-archive":
      return over(await openArchive(reference.path), async (archive) => {
        const isLayout = (await archive.stat(layoutMarker.path)) && (await archive.stat("index.json"));
        const meant = { name: reference.name, warn };
        return isLayout ? openLayoutSource(archive, meant) : openDockerSource(archive, meant);
      });
    case "dir":
      return openFolderSource(reference.path);
  }
}

/** An archive that cannot be used is not kept open. */
async function over<Opened>(archive: Archive, open: (archive: Archive) => Promise<Opened>): Promise<Opened> {
  try {
    return await open(archive);
  } catch (error) {
    await archive.close();
    throw error;
  }
}

export interface DestinationOptions extends SideOptions {
  readonly fullName: (image: ImageName) => string | undefined;
  readonly make?: (repository: string, asking: Asking) => Promise<void>;
}

export async function openDestination(reference: PlaceReference, options: DestinationOptions): Promise<Destination> {
  const { fullName, make, environment } = options;
  switch (reference.kind) {
    case "docker": {
      const journal = createJournal(environment.journalDirectory);
      return registryDestination(await openRegistry(reference, options), { journal, make });
    }
    case "oci":
      return openLayoutDestination(reference.path);
    case "oci-archive":
      return openArchiveDestination(reference.path, { format: "oci", fullName });
    case "docker-archive":
      return openArchiveDestination(reference.path, { format: "docker", fullName });
    case "dir":
      return openFolderDestination(reference.path);
  }
}

/** Whoever types a host means it, wherever it is: inside of our own network, or this machine. */
export async function openRegistry(
  { host, shownHost }: Pick<RegistryReference, "host" | "shownHost">,
  options: SideOptions,
): Promise<RemoteRegistry> {
  const { side, creds, credsFile, profile, client, environment } = options;
  const given = { given: creds, file: credsFile, profile, client, environment, side };
  const credentials = options.credentials ?? (await credentialsFor(shownHost, given));
  const authorities = options.ca === undefined ? undefined : await readAuthorities(options.ca);
  const open = (scheme: "http" | "https") =>
    options.remotes.open({
      origin: `${scheme}://${host}`,
      credentials,
      authorities,
      reach: { private: true, loopback: true, insecure: scheme === "http" },
    });
  return open(await schemeFor(host, options.insecure));
}

/** As Docker does: this machine is asked over TLS first, and without it else. */
export async function schemeFor(host: string, insecure: boolean): Promise<"http" | "https"> {
  if (insecure) return "http";
  const isThisMachine = isLoopback(host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"));
  return isThisMachine && !(await speaksTls(host)) ? "http" : "https";
}

const probeTimeoutMs = 5_000;

/** Whether a host of this machine answers over TLS, whatever its certificate is. Nothing but the question is sent. */
async function speaksTls(host: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(probeTimeoutMs);
    await fetch(`https://${host}/v2/`, {
      method: "HEAD",
      redirect: "manual",
      signal,
      tls: { rejectUnauthorized: false },
    });
    return true;
  } catch {
    return false;
  }
}

async function readAuthorities(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CommandFailed(`--ca: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
