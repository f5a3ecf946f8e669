import type { X509Certificate } from "node:crypto";
import { DerError, type DerValue, derContent, derInside, derOid, derTag, derValues } from "./der.ts";

/** Who a client's certificate speaks of (structurally the domain's `ClientCertificate`). Read from its own bytes. */
export interface ClientCertificate {
  /** In lower-case hex digits, as `openssl x509 -serial` has it in upper case. */
  readonly serial: string;
  /** For people: `CN=ci, O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** Only where there is exactly one. */
  readonly commonName?: string;
  readonly issuerCommonName?: string;
  /** Of the subject's alternative names. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  /** SHA-256, in lower-case hex digits. */
  readonly fingerprint: string;
}

/** What a certificate is judged by. */
export interface Trust {
  /** Who may have made it, each of them directly. */
  readonly authorities: readonly X509Certificate[];
  /** Serial numbers, as `ClientCertificate` has them. */
  readonly revoked: ReadonlySet<string>;
}

const clientAuth = "1.3.6.1.5.5.7.3.2";
const anyUsage = "2.5.29.37.0";

const extensionIds = { subjectAltName: "2.5.29.17", extendedKeyUsage: "2.5.29.37" } as const;

const shortNames: Record<string, string> = {
  "2.5.4.3": "CN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.25": "DC",
};

const maxNames = 100;
const maxNameCharacters = 1024;

export interface ReadCertificate {
  readonly facts: ClientCertificate;
  /** Absent: the certificate does not say what it is for. */
  readonly usages?: readonly string[];
}

/**
 * The names in a certificate, from its bytes and not from a text that was made of them: a name with a zero byte, a comma
 * or a line break in it is no other name. One that is not what its kind allows makes the whole certificate unreadable.
 * @throws DerError
 */
export function readCertificate({
  raw,
  fingerprint256,
}: Pick<X509Certificate, "raw" | "fingerprint256">): ReadCertificate {
  const [signed] = derInside(derValues(raw)[0], derTag.sequence);
  const fields = derInside(signed, derTag.sequence);
  // [0] version comes first where it is said.
  if (fields[0]?.tag === 0xa0) fields.shift();
  const [serial, , issuer, , subject, , ...optional] = fields;
  const issuerNames = attributesOf(issuer);
  const subjectNames = attributesOf(subject);
  const extensions = extensionsOf(optional.find(({ tag }) => tag === 0xa3));
  const alternative = alternativeNames(extensions.get(extensionIds.subjectAltName));
  const usages = extensions.get(extensionIds.extendedKeyUsage);
  return {
    facts: {
      serial: serialText(derContent(serial, derTag.integer)),
      subject: shown(subjectNames),
      issuer: shown(issuerNames),
      commonName: commonNameIn(subjectNames),
      issuerCommonName: commonNameIn(issuerNames),
      ...alternative,
      fingerprint: fingerprint256.replaceAll(":", "").toLowerCase(),
    },
    usages: usages && derInside(derValues(usages)[0], derTag.sequence).map(derOid),
  };
}

/** Why a certificate counts for nothing at this moment. `undefined`: it counts. */
export function problemOf(
  certificate: X509Certificate,
  { facts, usages }: ReadCertificate,
  { authorities, revoked }: Trust,
  now: Date,
): string | undefined {
  const authority = authorities.find((one) => certificate.checkIssued(one) && certificate.verify(one.publicKey));
  if (!authority) return "it was not made by an authority that this server knows";
  if (certificate.ca) return "it is that of an authority";
  if (usages && !usages.includes(clientAuth) && !usages.includes(anyUsage)) return "it is not for clients";
  return (
    lapseOf(certificate, facts, revoked, now) ?? (isWithin(authority, now) ? undefined : "its authority has expired")
  );
}

/** What may become of a certificate while its connection is open. */
export function lapseOf(
  certificate: X509Certificate,
  { serial }: ClientCertificate,
  revoked: ReadonlySet<string>,
  now: Date,
): string | undefined {
  if (revoked.has(serial)) return "it was revoked";
  if (now.getTime() < Date.parse(certificate.validFrom)) return "it is not valid yet";
  return isWithin(certificate, now) ? undefined : "it has expired";
}

function isWithin({ validFrom, validTo }: X509Certificate, now: Date): boolean {
  return now.getTime() >= Date.parse(validFrom) && now.getTime() < Date.parse(validTo);
}

/**
 * Serial numbers, one a line, in hex digits as certificates' tools show them: any case, colons between the bytes or none.
 * What stands behind `#` is for people. `undefined` for a text that is not a list of them.
 */
export function parseRevoked(text: string): ReadonlySet<string> | undefined {
  const serials = new Set<string>();
  for (const line of text.split("\n")) {
    const item = line
      .replace(/#[\s\S]*$/, "")
      .trim()
      .replace(/^(?:serial=|0x)/i, "");
    if (item === "") continue;
    if (!/^(?:[0-9a-f]+|[0-9a-f]{2}(?::[0-9a-f]{2})*)$/i.test(item)) return undefined;
    serials.add(trimmedHex(item.replaceAll(":", "")));
  }
  return serials;
}

function serialText(bytes: Uint8Array): string {
  return trimmedHex(Buffer.from(bytes).toString("hex"));
}

/** Whole bytes, without the zeros in front that tools add or leave out. */
function trimmedHex(hex: string): string {
  const digits = hex.toLowerCase().replace(/^0+(?=.)/, "");
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

interface Attribute {
  readonly type: string;
  /** Absent: a value of a kind that nobody is recognised by. */
  readonly text?: string;
}

function attributesOf(name: DerValue | undefined): Attribute[] {
  const attributes = derInside(name, derTag.sequence).flatMap((set) =>
    derInside(set, derTag.set).map((pair) => {
      const [type, value] = derInside(pair, derTag.sequence);
      return { type: derOid(type), text: textOf(value) };
    }),
  );
  if (attributes.length > maxNames) throw new DerError("a name of too many parts");
  return attributes;
}

function textOf(value: DerValue | undefined): string | undefined {
  if (value?.tag === derTag.utf8) return checked(utf8(value.content));
  if (value?.tag === derTag.printable || value?.tag === derTag.ia5) return checked(ascii(value.content));
  return undefined;
}

function commonNameIn(attributes: readonly Attribute[]): string | undefined {
  const [name, ...more] = attributes.filter(({ type }) => type === "2.5.4.3");
  return more.length === 0 ? name?.text : undefined;
}

function shown(attributes: readonly Attribute[]): string {
  return attributes
    .map(({ type, text = "?" }) => `${shortNames[type] ?? type}=${text.replaceAll(/[\\,+=]/g, "\\$&")}`)
    .join(", ")
    .slice(0, maxNameCharacters);
}

function extensionsOf(value: DerValue | undefined): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  if (!value) return found;
  for (const extension of derInside(derValues(value.content)[0], derTag.sequence)) {
    const parts = derInside(extension, derTag.sequence);
    const id = derOid(parts[0]);
    if (found.has(id)) throw new DerError("the same extension twice");
    found.set(id, derContent(parts.at(-1), derTag.octets));
  }
  return found;
}

function alternativeNames(bytes: Uint8Array | undefined): Pick<ClientCertificate, "uris" | "dnsNames" | "emails"> {
  const names = bytes ? derInside(derValues(bytes)[0], derTag.sequence) : [];
  if (names.length > maxNames) throw new DerError("too many names");
  const ofTag = (tag: number) => names.filter((name) => name.tag === tag).map(({ content }) => checked(ascii(content)));
  // GeneralName (RFC 5280, 4.2.1.6): [1] rfc822Name, [2] dNSName, [6] uniformResourceIdentifier.
  return { emails: ofTag(0x81), dnsNames: ofTag(0x82), uris: ofTag(0x86) };
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DerError("a name that is not UTF-8");
  }
}

function ascii(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte > 0x7e)) throw new DerError("a name that is not ASCII");
  return Buffer.from(bytes).toString("latin1");
}

/** Characters that end a text somewhere, or that nobody sees, are in no honest name. */
function checked(text: string): string {
  if (text.length > maxNameCharacters || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) {
    throw new DerError("a name with characters that cannot be seen");
  }
  return text;
}
