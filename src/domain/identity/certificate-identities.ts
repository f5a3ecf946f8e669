import type { ClientCertificate } from "../access.ts";
import type { Arn } from "../names.ts";

/** Whom certificates with a certain name stand for, as config-tls.ts reads it. */
export interface CertificateIdentity {
  readonly kind: NameKind;
  /** The name. A `*` stands for one or more characters of one of its parts; a common name is one part. */
  readonly pattern: string;
  /** A user or a role. */
  readonly principal: Arn;
}

const kinds: Readonly<Record<NameKind, Kind>> = {
  uri: { separator: "/", names: ({ uris }) => uris },
  dns: { separator: ".", names: ({ dnsNames }) => dnsNames.map((name) => name.toLowerCase()) },
  email: { separator: "@", names: ({ emails }) => emails.map((name) => name.toLowerCase()) },
  cn: { names: ({ commonName }) => (commonName === undefined ? [] : [commonName]) },
};

type NameKind = "uri" | "dns" | "email" | "cn";

interface Kind {
  /** What stands between the parts of a name. Absent: it has one. */
  readonly separator?: string;
  names(certificate: ClientCertificate): readonly string[];
}

/** Whom a certificate stands for: the first that has one of its names. */
export function createCertificateMatcher(identities: readonly CertificateIdentity[]) {
  return (certificate: ClientCertificate): Arn | undefined =>
    identities.find(({ kind, pattern }) => {
      const wanted = partsOf(pattern, kinds[kind]);
      return kinds[kind].names(certificate).some((name) => {
        const parts = partsOf(name, kinds[kind]);
        return parts.length === wanted.length && parts.every((part, index) => fits(part, wanted[index] ?? ""));
      });
    })?.principal;
}

function partsOf(name: string, { separator }: Kind): string[] {
  return separator === undefined ? [name] : name.split(separator);
}

/** Several `*` in one part are nothing that anybody has promised a meaning of. */
function fits(part: string, wanted: string): boolean {
  const [before = "", after, ...more] = wanted.split("*");
  if (after === undefined) return part === wanted;
  return (
    more.length === 0 && part.length > before.length + after.length && part.startsWith(before) && part.endsWith(after)
  );
}
