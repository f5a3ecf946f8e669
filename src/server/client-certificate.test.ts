import { beforeAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { makeAuthority, makeClientPair, makeServerPair, type Pair } from "../cli/certificates.ts";
import { parseRevoked, problemOf, readCertificate } from "./client-certificate.ts";
import { DerError, derOid, derValues } from "./der.ts";

const now = new Date();
const year = { from: now, days: 365 };
let authority: Pair;
beforeAll(async () => {
  authority = await makeAuthority("Test authority", year);
});

const parsed = ({ certificate }: Pair) => new X509Certificate(certificate);
const trust = (revoked: string[] = []) => ({ authorities: [parsed(authority)], revoked: new Set(revoked) });

function problem(pair: Pair, given = trust(), at = now) {
  const certificate = parsed(pair);
  return problemOf(certificate, readCertificate(certificate), given, at);
}

test("what is read is what was written", async () => {
  const names = ["uri:spiffe://example.org/ci", "dns:a.example.org", "email:ci@example.org", "uri:urn:x"];
  const pair = await makeClientPair(authority, "Jürgen", year, names);
  const certificate = parsed(pair);
  expect(readCertificate(certificate)).toEqual({
    facts: {
      serial: certificate.serialNumber.toLowerCase(),
      subject: "CN=Jürgen",
      issuer: "CN=Test authority",
      commonName: "Jürgen",
      issuerCommonName: "Test authority",
      uris: ["spiffe://example.org/ci", "urn:x"],
      dnsNames: ["a.example.org"],
      emails: ["ci@example.org"],
      fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    },
    usages: ["1.3.6.1.5.5.7.3.2"],
  });
});

test("a certificate counts if its authority is known, for clients, while it is valid and not revoked", async () => {
  const pair = await makeClientPair(authority, "ci", year);
  const { serial } = readCertificate(parsed(pair)).facts;
  const [first, last] = [parsed(pair).validFrom, parsed(pair).validTo].map((time) => Date.parse(time));
  expect(problem(pair)).toBeUndefined();
  expect(problem(pair, trust(["00", serial]))).toBe("it was revoked");
  expect(problem(pair, trust(), new Date((first ?? 0) - 1))).toBe("it is not valid yet");
  expect(problem(pair, trust(), new Date(first ?? 0))).toBeUndefined();
  expect(problem(pair, trust(), new Date((last ?? 0) - 1))).toBeUndefined();
  expect(problem(pair, trust(), new Date(last ?? 0))).toBe("it has expired");
  expect(problem(pair, { authorities: [], revoked: new Set() })).toMatch(/not made by an authority/);
  expect(problem(await makeServerPair(authority, ["ci"], year))).toBe("it is not for clients");
  expect(problem(authority)).toBe("it is that of an authority");
  const old = await makeAuthority("Old", { from: new Date(now.getTime() - 100 * 86_400_000), days: 10 });
  const late = { authorities: [parsed(old)], revoked: new Set<string>() };
  // Such a one lives no longer than its authority.
  expect(problem(await makeClientPair(old, "ci", year), late)).toBe("it has expired");
});

test("no byte of a certificate can be cut off or changed without an error or another fingerprint", async () => {
  const { raw, fingerprint256 } = parsed(await makeClientPair(authority, "ci", year, ["uri:spiffe://example.org/ci"]));
  for (let length = 0; length < raw.length; length += 7) {
    expect(() => readCertificate({ raw: raw.subarray(0, length), fingerprint256 })).toThrow(DerError);
  }
  for (let index = 0; index < raw.length; index++) {
    const changed = Buffer.from(raw);
    changed[index] = (changed[index] ?? 0) ^ 0xff;
    try {
      readCertificate({ raw: changed, fingerprint256 });
    } catch (error) {
      expect(error).toBeInstanceOf(DerError);
    }
  }
});

test.each([
  ["1a2B", ["1a2b"]],
  ["1A:2B", ["1a2b"]],
  ["serial=01A2B  # a laptop", ["1a2b"]],
  ["0x0a\n\n# nothing\r\n00", ["0a", "00"]],
  ["", []],
])("%j lists serial numbers", (text, serials) => {
  expect([...(parseRevoked(text) ?? ["none"])]).toEqual(serials);
});

test.each(["hello", "12 34", "-----BEGIN X509 CRL-----", "1g", "12:"])("%j does not", (text) => {
  expect(parseRevoked(text)).toBeUndefined();
});

test.each([
  ["a length that says too much", [0x30, 0x05, 0x02, 0x01, 0x00]],
  ["a length without an end", [0x30, 0x80, 0x00, 0x00]],
  ["a length of many bytes", [0x30, 0x84, 0, 0, 0, 0]],
  ["a tag of several bytes", [0x1f, 0x01, 0x00]],
  ["no length", [0x30]],
])("%s is no DER", (_, bytes) => {
  expect(() => derValues(new Uint8Array(bytes))).toThrow(DerError);
});

test("object identifiers are read as they are written", () => {
  const [name] = derValues(new Uint8Array([0x06, 0x03, 0x55, 0x04, 0x03]));
  expect(derOid(name)).toBe("2.5.4.3");
  const [long] = derValues(new Uint8Array([0x06, 0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]));
  expect(derOid(long)).toBe("1.2.840.113549");
});
