import type { Digest, Tag } from "../names.ts";
import type { Bytes } from "./ports.ts";

/**
 * Another registry, spoken to in the OCI distribution API. `remotes/registry/` keeps this port; pull-through caches,
 * replication and `berth copy` ask it. Whoever asks verifies what comes: nothing here compares bytes with a digest.
 */
export interface RemoteRegistry {
  /** For people and logs: `registry-1.docker.io`. Never with credentials. */
  readonly name: string;
  /** Whether it is there and takes our credentials. @throws RemoteFailure */
  ping(options: Asking): Promise<void>;
  /** @throws RemoteFailure, but for what is not there */
  statManifest(repository: string, reference: RemoteReference, options: Asking): Promise<RemoteStat | undefined>;
  /**
   * The bytes of a manifest, at most `maxManifestBytes`; "unchanged" where it still has the digest `unless`.
   * @throws RemoteFailure, but for what is not there
   */
  manifest(
    repository: string,
    reference: RemoteReference,
    options: Asking & { readonly unless?: Digest },
  ): Promise<RemoteManifest | "unchanged" | undefined>;
  statBlob(repository: string, digest: Digest, options: Asking): Promise<{ readonly sizeBytes: number } | undefined>;
  /**
   * The bytes of a blob from an offset on, as they come; whoever stops reading ends the transfer, and whoever does not begin
   * to read aborts the signal. A registry that knows no
   * ranges answers from the beginning: `offset` says where the bytes begin.
   * @throws RemoteFailure, also while the bytes are read
   */
  blob(
    repository: string,
    digest: Digest,
    options: Asking & { readonly offset?: number },
  ): Promise<RemoteBlob | undefined>;
  /** By the referrers API, or by the tag that stands in for it (distribution specification, "Referrers Tag Schema"). */
  referrers(repository: string, subject: Digest, options: Asking): Promise<RemoteDescriptor[]>;
  /** All pages, as they come; nothing where there is no such repository. @throws RemoteFailure while they are read */
  tags(repository: string, options: Asking): AsyncIterable<string>;
  repositories(options: Asking): AsyncIterable<string>;

  /** Whether the blob could be taken over from another repository of that registry. @throws RemoteFailure */
  mountBlob(repository: string, digest: Digest, from: string, options: Asking): Promise<boolean>;
  /**
   * Sends a blob. After a failure of the connection it asks how much arrived and goes on from there.
   * @param open the bytes from an offset on; asked again after each failure
   * @throws RemoteFailure, and whatever reading throws
   */
  putBlob(
    repository: string,
    blob: { readonly digest: Digest; readonly sizeBytes: number },
    open: (offset: number) => Bytes,
    options: Asking & {
      /** An upload that an earlier attempt began; told of a new one, so that it can be kept for the next attempt. */
      readonly upload?: { readonly begun?: string; keep(location: string): Promise<void> };
      /** How many bytes went over the wire, each time some did. */
      sent?(bytes: number): void;
    },
  ): Promise<void>;
  putManifest(repository: string, reference: RemoteReference, manifest: RemoteManifest, options: Asking): Promise<void>;
  deleteManifest(repository: string, reference: RemoteReference, options: Asking): Promise<boolean>;
}

export type RemoteReference = { readonly tag: Tag } | { readonly digest: Digest };

export interface Asking {
  readonly signal: AbortSignal;
}

export interface RemoteStat {
  readonly digest?: Digest;
  readonly mediaType: string;
  readonly sizeBytes?: number;
}

export interface RemoteManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface RemoteBlob {
  /** Of the whole blob, where the registry says so. */
  readonly sizeBytes?: number;
  readonly offset: number;
  readonly bytes: Bytes;
}

export interface RemoteDescriptor {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Why another registry did not do what it was asked. */
export type RemoteProblem =
  /** 401 or 403, or it wants credentials that we have not. */
  | "denied"
  /** 429, or it said to wait. */
  | "throttled"
  /** No connection, a connection that broke, a time-out, 5xx. May pass. */
  | "unavailable"
  /** Its address, a redirect or a token service lies where we do not go. */
  | "out-of-bounds"
  /** It answered what no registry answers, or more than we take. */
  | "nonsense"
  /** It refused what was sent: 400, 404, 405, 409, 413, 416. */
  | "refused";

/** Nothing in it comes unchecked from the other side but `detail`, which is short, printable and never a secret. */
export class RemoteFailure extends Error {
  override readonly name = "RemoteFailure";
  constructor(
    readonly problem: RemoteProblem,
    readonly detail: string,
    readonly facts: {
      readonly status?: number;
      /** The error code of the OCI error body, such as `NAME_UNKNOWN`. */
      readonly code?: string;
      readonly retryAfterMs?: number;
      readonly cause?: unknown;
    } = {},
  ) {
    super(detail, { cause: facts.cause });
  }
}

/** Where another registry is, and how it is spoken to. */
export interface RemoteTarget {
  /** `https://host[:port]`; `http://` only where `reach.insecure` allows it. */
  readonly origin: string;
  /** User and password for Basic, or for the token service that the registry names. Asked again once they were refused. */
  readonly credentials?: RemoteCredentials;
  readonly reach: RemoteReach;
  /**
   * Further hosts that credentials and tokens, and redirects of manifests and lists, may go to, beside the registry's own and
   * those that are known of large registries: `auth.example.com`, `*.example.com`, `auth.example.com:*` for any port.
   */
  readonly tokenHosts?: readonly string[];
  /** Hosts that blobs may be fetched from by redirect, without credentials. Left out: any that may be reached. */
  readonly blobHosts?: readonly string[];
  /** How far redirects to other hosts may reach, those in `but` left aside. Left out: as far as the registry may be. */
  readonly elsewhere?: { readonly reach: RemoteReach; readonly but: readonly string[] };
  /**
   * Hosts that manifests and lists may be fetched from by redirect, without credentials: `mirror.example.com`.
   * Left out: none but its own and, again, those that are known.
   */
  readonly manifestHosts?: readonly string[];
  /** Authorities in PEM beside those of the system. */
  readonly authorities?: string;
  /** Headers of every request, such as those between two Berths. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RemoteCredentials {
  read(options: { readonly again: boolean }): Promise<{ readonly user: string; readonly password: string } | undefined>;
}

/**
 * An Elastic Container Registry, Amazon's or another Berth, that gives passwords for keys (ECR API reference,
 * GetAuthorizationToken).
 */
export interface EcrAccess {
  /** Of its API, with nothing behind the host: `https://api.ecr.eu-west-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  /** Asked again once they were refused. @throws RemoteFailure where they cannot be had */
  keys(options: { readonly again: boolean }): Promise<EcrKeys>;
  /** A role to assume with them first, and where (STS API reference, AssumeRole). */
  readonly role?: { readonly arn: string; readonly stsEndpoint: string; readonly externalId?: string };
  readonly reach: RemoteReach;
  readonly authorities?: string;
}

export interface EcrKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** `remotes/registry/index.ts` makes them. They are remembered for as long as they are good. */
export type EcrCredentials = (access: EcrAccess) => RemoteCredentials;

/** What the operator allows: by default public addresses over TLS alone. */
export interface RemoteReach {
  /** Hosts inside of our own network may be asked. */
  readonly private: boolean;
  /** This machine may be asked. */
  readonly loopback: boolean;
  /** Plain HTTP may be spoken. */
  readonly insecure: boolean;
}

/** `remotes/registry/index.ts` makes one. */
export type OpenRemote = (target: RemoteTarget) => RemoteRegistry;
