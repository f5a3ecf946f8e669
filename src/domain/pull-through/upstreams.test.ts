import { expect, test } from "bun:test";
import { noFurtherUpstreams, targetOf, type UpstreamSettings, upstreamOf } from "./upstreams.ts";

const settings: UpstreamSettings = {
  further: [
    { pattern: "berth.example.com", kind: "berth" },
    { pattern: "*.example.com", kind: "oci" },
    { pattern: "127.0.0.1:*", kind: "oci" },
    { pattern: "localhost:5000", kind: "oci" },
  ],
  private: ["*.example.com", "127.0.0.1:*"],
  insecure: ["127.0.0.1:*"],
  mirrors: [{ host: "registry-1.docker.io", origin: "http://127.0.0.1:5000" }],
};
const publicOnly = { private: false, loopback: false, insecure: false };

test.each([
  ["public.ecr.aws", "ecr-public", false],
  ["registry.k8s.io", "k8s", false],
  ["quay.io", "quay", false],
  ["registry-1.docker.io", "docker-hub", false],
  ["ghcr.io", "github-container-registry", false],
  ["registry.gitlab.com", "gitlab-container-registry", false],
  ["cgr.dev", "chainguard", false],
  ["example1.azurecr.io", "azure-container-registry", true],
  ["123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr", true],
])("%s is %s", (url, kind, isAnybodys) => {
  expect(upstreamOf(url, noFurtherUpstreams)).toMatchObject({ kind, isAnybodys });
  expect(targetOf(url, noFurtherUpstreams)).toMatchObject({ origin: `https://${url}`, reach: publicOnly });
});

test.each([
  "docker.io",
  "https://quay.io",
  "quay.io/",
  "quay.io:443",
  "quay.io.example.org",
  "evil.org/quay.io",
  "user@quay.io",
  "a.b.azurecr.io",
  "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.org",
  "registry.example.org",
  "berth.example.com",
  "",
])("%p is no upstream where nobody allows it", (url) => {
  expect(upstreamOf(url, noFurtherUpstreams)).toBeUndefined();
  expect(targetOf(url, noFurtherUpstreams)).toBeUndefined();
});

test("the first pattern that a further host matches says what it is", () => {
  expect(upstreamOf("berth.example.com", settings)).toMatchObject({ kind: "berth", isAnybodys: true });
  expect(upstreamOf("other.example.com", settings)).toMatchObject({ kind: "oci", needsSecret: false });
});

test.each([
  "a/b.example.com",
  "user@a.example.com",
  "a.example.com?",
  "-.example.com",
  "127.0.0.1:5000/x",
  "127.0.0.1:x",
])("%p is no host, whatever patterns say", (url) => {
  expect(upstreamOf(url, settings)).toBeUndefined();
});

test("how far a further host may reach is by its own name", () => {
  expect(targetOf("a.example.com", settings)?.reach).toEqual({ private: true, loopback: false, insecure: false });
  expect(targetOf("127.0.0.1:5000", settings)).toMatchObject({
    origin: "http://127.0.0.1:5000",
    reach: { private: true, loopback: true, insecure: true },
    // With the ports that are allowed there.
    blobHosts: settings.private,
  });
  // On this machine, and nobody has said that it may be.
  expect(targetOf("localhost:5000", settings)?.reach).toEqual(publicOnly);
});

test("a mirror is asked in the place of what it mirrors", () => {
  expect(targetOf("registry-1.docker.io", settings)).toMatchObject({
    origin: "http://127.0.0.1:5000",
    reach: { private: true, loopback: true, insecure: true },
    mirror: { origin: "http://127.0.0.1:5000" },
    // It leads nowhere inside but to what may be there.
    elsewhere: { reach: { private: false, loopback: false, insecure: true }, but: settings.private },
  });
  expect(targetOf("registry-1.docker.io", settings)?.tokenHosts).toBeUndefined();
});
