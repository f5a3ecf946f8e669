import { type Arn, parseAccountId } from "./domain/names.ts";

/** Whom certificates of clients stand for (structurally the domain's `CertificateIdentity`). */
export interface ConfiguredIdentity {
  readonly kind: "uri" | "dns" | "email" | "cn";
  readonly pattern: string;
  readonly principal: Arn;
}

/** What stands between the parts of a name, each of which may have one `*`. */
const separators = { uri: "/", dns: ".", email: "@", cn: "\0" } as const;

const longestPattern = 1024;

/** `uri:spiffe://example.org/ci/*=arn:aws:iam::123456789012:role/ci`. `undefined` for what is not of this form. */
export function certificateIdentity(text: string): ConfiguredIdentity | undefined {
  const [, given, name = "", principal = "", account = ""] =
    /^(uri|dns|email|cn):(.+)=(arn:aws:iam::(\d{12}):(?:user|role)(?:\/[\w+=,.@-]{1,512})+)$/s.exec(text) ?? [];
  if (given === undefined || !parseAccountId(account) || name.length > longestPattern) return undefined;
  const kind = given as ConfiguredIdentity["kind"];
  if (/\p{Cc}/u.test(name) || name.split(separators[kind]).some((part) => part.split("*").length > 2)) return undefined;
  // As certificates are compared: these names know no case.
  const pattern = kind === "dns" || kind === "email" ? name.toLowerCase() : name;
  return { kind, pattern, principal: principal as Arn };
}

export function clientCertificates(given: string): "required" | "optional" | undefined {
  return given === "required" || given === "optional" ? given : undefined;
}

interface GivenTls {
  readonly certificate?: unknown;
  readonly key?: unknown;
  readonly clientAuthority?: unknown;
  readonly clientCertificates?: unknown;
  readonly clientIdentities?: unknown;
  readonly clientRevoked?: unknown;
}

/** What of the settings needs others, and has them not. */
export function tlsProblems(tls: GivenTls): [keys: string[], problem: string][] {
  const has = (key: keyof GivenTls) => tls[key] !== undefined;
  const problems: [string[], string][] = [];
  if (has("certificate") !== has("key")) {
    problems.push([["certificate", "key"], "they belong together; give both or neither"]);
  }
  if (has("clientAuthority") && !has("certificate")) {
    problems.push([["clientAuthority"], "it needs tls.certificate and tls.key"]);
  }
  if (has("clientCertificates") && !has("clientAuthority")) {
    problems.push([["clientCertificates"], "it needs tls.clientAuthority"]);
  }
  for (const key of ["clientIdentities", "clientRevoked"] as const) {
    if (has(key) && !has("clientCertificates")) {
      problems.push([[key], "it needs tls.clientCertificates, which is required or optional"]);
    }
  }
  return problems;
}
