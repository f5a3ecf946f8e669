import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { BitString, Integer, OctetString, Utf8String } from "asn1js";
import {
  AltName,
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate,
  CryptoEngine,
  Extension,
  ExtKeyUsage,
  GeneralName,
  type ICryptoEngine,
  setEngine,
} from "pkijs";

/** Makes a private authority and the certificates of servers (RFC 5280), all with ECDSA on P-256. */

export interface Pair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface Validity {
  readonly from: Date;
  readonly days: number;
}

const dayMs = 86_400_000;
/** Clocks of clients may be behind ours. */
const leewayMs = 3_600_000;

const oid = {
  commonName: "2.5.4.3",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const algorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
// It has no methods for keys of post-quantum ciphers, which its own interface asks for, and nothing here does.
setEngine(
  "node",
  new CryptoEngine({ name: "node", crypto: webcrypto as unknown as Crypto }) as unknown as ICryptoEngine,
);

/** The bits of KeyUsage, from the first (RFC 5280, 4.2.1.3). */
const usage = { digitalSignature: 0x80, signCertificates: 0x04, signRevocations: 0x02 };

/** An authority that signs certificates of servers, and no other authority. */
export async function makeAuthority(name: string, validity: Validity): Promise<Pair> {
  const keys = await makeKeys();
  const certificate = blank(validity);
  certificate.issuer.typesAndValues = distinguished(name);
  certificate.subject.typesAndValues = distinguished(name);
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  const identifier = await keyIdentifier(certificate);
  certificate.extensions = [
    extension(oid.basicConstraints, true, new BasicConstraints({ cA: true, pathLenConstraint: 0 }).toSchema()),
    extension(oid.keyUsage, true, bits(usage.signCertificates | usage.signRevocations)),
    extension(oid.subjectKeyIdentifier, false, new OctetString({ valueHex: identifier })),
  ];
  return signed(certificate, keys, keys.privateKey);
}

/** A certificate for a server that is called by these names: of hosts, `*.` in front for any one label, or addresses. */
export function makeServerPair(authority: Pair, names: readonly string[], validity: Validity): Promise<Pair> {
  return makePair(authority, { name: names[0] ?? "server", usage: oid.serverAuth, names, validity });
}

/** A certificate for a client, which is called this, and by any of `uri:…`, `dns:…` and `email:…` beside it. */
export function makeClientPair(
  authority: Pair,
  name: string,
  validity: Validity,
  names: readonly string[] = [],
): Promise<Pair> {
  return makePair(authority, { name, usage: oid.clientAuth, names, validity });
}

async function makePair(
  authority: Pair,
  wanted: { name: string; usage: string; names: readonly string[]; validity: Validity },
): Promise<Pair> {
  const issuer = Certificate.fromBER(new X509Certificate(authority.certificate).raw);
  const issuerKey = await webcrypto.subtle.importKey(
    "pkcs8",
    createPrivateKey(authority.key).export({ type: "pkcs8", format: "der" }),
    algorithm,
    false,
    ["sign"],
  );
  const keys = await makeKeys();
  const certificate = blank(wanted.validity);
  certificate.issuer = issuer.subject;
  // Nobody would trust it beyond that.
  if (certificate.notAfter.value > issuer.notAfter.value) certificate.notAfter = issuer.notAfter;
  certificate.subject.typesAndValues = distinguished(wanted.name);
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  const authorityIdentifier = await keyIdentifier(issuer);
  certificate.extensions = [
    extension(oid.basicConstraints, true, new BasicConstraints({ cA: false }).toSchema()),
    extension(oid.keyUsage, true, bits(usage.digitalSignature)),
    extension(oid.extendedKeyUsage, false, new ExtKeyUsage({ keyPurposes: [wanted.usage] }).toSchema()),
    extension(oid.subjectKeyIdentifier, false, new OctetString({ valueHex: await keyIdentifier(certificate) })),
    new Extension({
      extnID: oid.authorityKeyIdentifier,
      // SEQUENCE { [0] keyIdentifier }
      extnValue: new Uint8Array([0x30, 22, 0x80, 20, ...new Uint8Array(authorityIdentifier)]).buffer,
    }),
    ...(wanted.names.length === 0
      ? []
      : [extension(oid.subjectAltName, false, new AltName({ altNames: wanted.names.map(generalName) }).toSchema())]),
  ];
  return signed(certificate, keys, issuerKey as CryptoKey);
}

/** The names in a certificate, as `makeServerPair` takes them. */
export function namesIn(certificate: string): string[] {
  const { subjectAltName = "" } = new X509Certificate(certificate);
  return subjectAltName
    .split(", ")
    .flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? [])
    .map((name) => (isIP(name) === 6 ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name));
}

async function makeKeys(): Promise<CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
}

function blank({ from, days }: Validity): Certificate {
  const serial = randomBytes(16);
  // Positive, and of the same length always.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const certificate = new Certificate({ version: 2, serialNumber: new Integer({ valueHex: copy(serial) }) });
  // The form of times knows no fractions.
  const now = Math.floor(from.getTime() / 1000) * 1000;
  certificate.notBefore.value = new Date(now - leewayMs);
  certificate.notAfter.value = new Date(now + days * dayMs);
  for (const time of [certificate.notBefore, certificate.notAfter])
    time.type = time.value.getUTCFullYear() < 2050 ? 0 : 1;
  return certificate;
}

async function signed(certificate: Certificate, keys: CryptoKeyPair, signer: CryptoKey): Promise<Pair> {
  await certificate.sign(signer, "SHA-256");
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey as webcrypto.CryptoKey);
  return {
    certificate: pem("CERTIFICATE", certificate.toSchema(true).toBER()),
    key: pem("PRIVATE KEY", key as ArrayBuffer),
  };
}

/** SHA-1 of the public key, the first method of RFC 5280, 4.2.1.2: a name, not a protection. */
function keyIdentifier(certificate: Certificate): Promise<ArrayBuffer> {
  return webcrypto.subtle.digest(
    "SHA-1",
    copy(certificate.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView),
  );
}

function distinguished(name: string): AttributeTypeAndValue[] {
  return [
    // The longest that the standard allows.
    new AttributeTypeAndValue({ type: oid.commonName, value: new Utf8String({ value: name.slice(0, 64) }) }),
  ];
}

function extension(extnID: string, critical: boolean, value: { toBER(): ArrayBuffer }): Extension {
  return new Extension({ extnID, critical, extnValue: value.toBER() });
}

function bits(value: number): BitString {
  const unusedBits = 31 - Math.clz32(value & -value);
  return new BitString({ unusedBits, valueHex: new Uint8Array([value]).buffer });
}

/** The numbers of kinds of names (RFC 5280, 4.2.1.6). */
const nameKinds: Record<string, 1 | 2 | 6> = { email: 1, dns: 2, uri: 6 };

function generalName(name: string): GeneralName {
  const [, kind = "", value = ""] = /^(email|dns|uri):([\s\S]*)$/.exec(name) ?? [];
  const type = nameKinds[kind];
  if (type !== undefined) return new GeneralName({ type, value });
  return isIP(name) === 0
    ? new GeneralName({ type: 2, value: name })
    : new GeneralName({ type: 7, value: new OctetString({ valueHex: addressBytes(name) }) });
}

function addressBytes(address: string): ArrayBuffer {
  if (isIP(address) === 4) return new Uint8Array(address.split(".").map(Number)).buffer;
  // As URLs write it: without zeros in front, and `::` for the longest run of zeros.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail ?? "")];
  const middle = new Array<number>(8 - before.length - after.length).fill(0);
  return new Uint8Array([...before, ...middle, ...after].flatMap((group) => [group >> 8, group & 0xff])).buffer;
}

function copy(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
