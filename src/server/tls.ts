import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, type Stats, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { parseRevoked } from "./client-certificate.ts";
import type { Log } from "./log.ts";

/** Where the certificate is, and who may connect. */
export interface TlsFiles {
  /** The server's certificate in PEM, with those of the authorities between it and a root behind it. */
  readonly certificate: string;
  readonly key: string;
  readonly minVersion: TlsVersion;
  /** Authorities in PEM. With them, a client must show a certificate that one of them made. */
  readonly clientAuthority?: string;
  /** Whether a client may do without a certificate. Left out: none may, and certificates say nothing of who it is. */
  readonly clientCertificates?: ClientMode;
  /** Serial numbers of certificates that count no more. */
  readonly clientRevoked?: string;
}

export type ClientMode = "required" | "optional";

export type TlsVersion = "1.2" | "1.3";

/** What a listener needs, as texts, so that a process can hand it to another. */
export interface Tls {
  readonly certificate: string;
  readonly key: string;
  readonly minVersion: TlsVersion;
  readonly clientAuthority?: string;
  /** Where certificates say who clients are: then each request is to know its own. */
  readonly clients?: { readonly mode: ClientMode; readonly revoked?: string };
}

/** The files cannot be used. The message names the setting, the file and what is wrong with it. */
export class TlsUnusable extends Error {
  override readonly name = "TlsUnusable";
}

/** The pair in use, and whatever takes its place. */
export interface TlsKeeper {
  readonly current: Tls;
  /** Tells of each pair that is to take the place of the one before. What it throws is logged, and the old one stays. */
  watch(use: (tls: Tls) => void): void;
  /** Reads the files now. */
  look(): void;
  stop(): void;
}

export interface KeeperOptions {
  readonly pollMs?: number;
  readonly clock?: () => Date;
}

const dayMs = 86_400_000;
/** Whoever renews by hand wants to know so long before. */
const noticeMs = 14 * dayMs;

/** As Bun's listener takes it. `minVersion` is a number there, as the protocol writes it, and is not among its types. */
export function listenerTls({ certificate, key, minVersion, clientAuthority }: Tls) {
  return {
    cert: certificate,
    key,
    minVersion: minVersion === "1.3" ? 0x0304 : 0x0303,
    ...(clientAuthority === undefined ? {} : { ca: clientAuthority, requestCert: true, rejectUnauthorized: true }),
  };
}

/**
 * Reads the files, and looks every few seconds whether they have changed. A changed pair is read when it has stayed the
 * same from one look to the next: certificate and key are two files, and their writer may be between them.
 * @throws TlsUnusable
 */
export function openTls(files: TlsFiles, log: Log, { pollMs = 2000, clock = () => new Date() }: KeeperOptions = {}) {
  // Before they are read: what changes from here on is noticed.
  let read = pathsOf(files)
    .map((path) => stateShown(statOrNothing(path)))
    .join();
  let { tls: current, certificate } = readTls(files);
  let users: ((tls: Tls) => void)[] = [];
  let seen: string | undefined;
  let reminded: number | undefined;
  let isLooking = false;
  remind();
  if ((statSync(files.key).mode & 0o004) !== 0) {
    log.warn({ file: files.key }, "the TLS key can be read by other users of this machine: chmod 600");
  }

  async function poll(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      const found = await stateOf(files);
      if (found !== read && found === seen) {
        read = found;
        renew();
      }
      seen = found;
      remind();
    } finally {
      isLooking = false;
    }
  }

  function renew(): void {
    try {
      const next = readTls(files);
      if (JSON.stringify(next.tls) === JSON.stringify(current)) return;
      for (const use of users) use(next.tls);
      ({ tls: current, certificate } = next);
      reminded = undefined;
      log.info({ file: files.certificate, ...factsOf(certificate) }, "the TLS certificate was renewed");
    } catch (error) {
      if (error instanceof TlsUnusable)
        log.error({ reason: error.message }, "the TLS files cannot be used: the ones before stay");
      else log.error({ error }, "the TLS certificate could not be renewed: the one before stays");
    }
    remind();
  }

  /** Once a day, for as long as it is true. */
  function remind(): void {
    const now = clock().getTime();
    const [begins, ends] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    if (now >= begins && now < ends - noticeMs) return;
    if (reminded !== undefined && now - reminded < dayMs) return;
    reminded = now;
    const what = now < begins ? "is not valid yet" : now >= ends ? "has expired" : "expires soon";
    log.warn({ file: files.certificate, ...factsOf(certificate) }, `the TLS certificate ${what}`);
  }

  const timer = setInterval(() => void poll(), pollMs);
  timer.unref();
  const keeper: TlsKeeper = {
    get current() {
      return current;
    },
    watch(use) {
      users = [...users, use];
    },
    look: renew,
    stop: () => clearInterval(timer),
  };
  return keeper;
}

function factsOf(certificate: X509Certificate) {
  return {
    names: certificate.subjectAltName,
    validUntil: new Date(certificate.validTo).toISOString(),
    fingerprint: certificate.fingerprint256,
  };
}

async function stateOf(files: TlsFiles): Promise<string> {
  const found = pathsOf(files).map((path) => stat(path).catch(() => undefined));
  return (await Promise.all(found)).map(stateShown).join();
}

/** What of a file tells that it was written. Links are followed, as Kubernetes replaces secrets by them. */
function stateShown(found: Stats | undefined): string {
  return found ? `${found.mtimeMs} ${found.size} ${found.ino}` : "-";
}

function statOrNothing(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function pathsOf({ certificate, key, clientAuthority, clientRevoked }: TlsFiles): string[] {
  return [certificate, key, clientAuthority, clientRevoked].filter((path) => path !== undefined);
}

/** @throws TlsUnusable */
export function readTls(files: TlsFiles): { tls: Tls; certificate: X509Certificate } {
  const { minVersion } = files;
  const tls: Tls = {
    certificate: read("tls.certificate", files.certificate),
    key: read("tls.key", files.key),
    minVersion,
    ...(files.clientAuthority === undefined
      ? {}
      : { clientAuthority: read("tls.clientAuthority", files.clientAuthority) }),
    ...(files.clientCertificates === undefined ? {} : { clients: clientsIn(files, files.clientCertificates) }),
  };
  const [certificate] = certificatesIn("tls.certificate", files.certificate, tls.certificate);
  const key = keyIn(files.key, tls.key);
  if (!certificate.checkPrivateKey(key)) {
    throw new TlsUnusable(`tls.key: ${files.key} is not the key of the certificate in ${files.certificate}`);
  }
  if (files.clientAuthority !== undefined && tls.clientAuthority !== undefined) {
    const authorities = certificatesIn("tls.clientAuthority", files.clientAuthority, tls.clientAuthority);
    const other = authorities.find(({ ca }) => !ca);
    if (other) {
      throw new TlsUnusable(
        `tls.clientAuthority: ${files.clientAuthority} has a certificate that is not an authority's (${oneLine(other.subject)})`,
      );
    }
  }
  try {
    createSecureContext({ cert: tls.certificate, key: tls.key });
  } catch (cause) {
    throw new TlsUnusable(`tls.certificate: ${files.certificate} cannot be used: ${(cause as Error).message}`, {
      cause,
    });
  }
  return { tls, certificate };
}

function clientsIn({ clientRevoked: file }: TlsFiles, mode: ClientMode): Tls["clients"] {
  if (file === undefined) return { mode };
  const revoked = read("tls.clientRevoked", file);
  if (parseRevoked(revoked)) return { mode, revoked };
  throw new TlsUnusable(`tls.clientRevoked: ${file} is not a list of serial numbers in hex digits, one a line`);
}

function read(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const reasons: Record<string, string> = {
      ENOENT: "there is no such file",
      EACCES: "this user may not read it",
      EISDIR: "it is a folder",
    };
    const { code = "unknown" } = cause as NodeJS.ErrnoException;
    throw new TlsUnusable(`${setting}: ${file} cannot be read: ${reasons[code] ?? code}`, { cause });
  }
}

function certificatesIn(setting: string, file: string, text: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const [first, ...more] = blocks.map((block) => new X509Certificate(block));
    if (first) return [first, ...more];
  } catch (cause) {
    throw new TlsUnusable(`${setting}: ${file} has a certificate that cannot be read`, { cause });
  }
  throw new TlsUnusable(`${setting}: ${file} has no certificate in PEM (-----BEGIN CERTIFICATE-----)`);
}

function keyIn(file: string, text: string): KeyObject {
  if (/ENCRYPTED/.test(text)) {
    throw new TlsUnusable(`tls.key: ${file} is encrypted. Decrypt it with: openssl pkey -in ${file} -out NEW-FILE`);
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new TlsUnusable(`tls.key: ${file} has no private key in PEM (-----BEGIN PRIVATE KEY-----)`, { cause });
  }
}

function oneLine(subject: string): string {
  return subject.replaceAll("\n", ", ");
}
