import { expect, test } from "bun:test";
import type { ClientCertificate } from "../access.ts";
import type { Arn } from "../names.ts";
import { type CertificateIdentity, createCertificateMatcher } from "./certificate-identities.ts";

const principal = "arn:aws:iam::000000000000:user/a" as Arn;
const named = (names: Partial<ClientCertificate>): ClientCertificate => {
  return { serial: "01", subject: "", issuer: "", uris: [], dnsNames: [], emails: [], ...names };
};
const stands = (kind: CertificateIdentity["kind"], pattern: string, names: Partial<ClientCertificate>) =>
  createCertificateMatcher([{ kind, pattern, principal }])(named(names)) !== undefined;

test.each<[kind: CertificateIdentity["kind"], pattern: string, name: string, stands: boolean]>([
  ["uri", "spiffe://example.org/ci", "spiffe://example.org/ci", true],
  ["uri", "spiffe://example.org/ci", "spiffe://example.org/CI", false],
  ["uri", "spiffe://example.org/ci", "spiffe://example.org/ci/", false],
  ["uri", "spiffe://example.org/*/sa/*", "spiffe://example.org/ns/sa/x", true],
  ["uri", "spiffe://example.org/*", "spiffe://example.org/a/b", false],
  ["uri", "spiffe://example.org/*", "spiffe://example.org/", false],
  ["uri", "spiffe://*/ci", "spiffe://a.example.org/ci", true],
  ["uri", "spiffe://example.org/run*er", "spiffe://example.org/runner", true],
  ["uri", "spiffe://example.org/run*ner", "spiffe://example.org/runner", false],
  ["uri", "spiffe://example.org/a.b", "spiffe://example.org/axb", false],
  ["dns", "*.example.org", "A.Example.ORG", true],
  ["dns", "*.example.org", "example.org", false],
  ["dns", "*.example.org", "a.b.example.org", false],
  ["dns", "*.example.org", "aexample.org", false],
  ["email", "*@example.org", "ops@example.org", true],
  ["email", "*@example.org", "ops@sub.example.org", false],
  ["email", "*@example.org", "a@b@example.org", false],
  ["cn", "node-*", "node-1/x.y", true],
  ["cn", "ci", "сi", false],
  ["cn", "ci", "ci ", false],
  // Two in one part are nothing.
  ["cn", "a*b*c", "axbxc", false],
])("%s:%s and %j", (kind, pattern, name, expected) => {
  const names = {
    uri: { uris: [name] },
    dns: { dnsNames: [name] },
    email: { emails: [name] },
    cn: { commonName: name },
  };
  expect(stands(kind, pattern, names[kind])).toBe(expected);
});

test("the first that fits decides, by any of a certificate's names, and never by what only looks like one", () => {
  const other = "arn:aws:iam::000000000000:role/b" as Arn;
  const match = createCertificateMatcher([
    { kind: "uri", pattern: "spiffe://b", principal: other },
    { kind: "cn", pattern: "*", principal },
  ]);
  expect(match(named({ commonName: "x", uris: ["spiffe://a", "spiffe://b"] }))).toBe(other);
  expect(match(named({ commonName: "x" }))).toBe(principal);
  expect(match(named({ subject: "CN=x", dnsNames: ["spiffe://b"] }))).toBeUndefined();
});
