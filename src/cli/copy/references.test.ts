import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { showImage } from "./places.ts";
import { imageCalled, parseReference, type RegistryReference } from "./references.ts";

const digest = `sha256:${"a".repeat(64)}`;

test.each([
  ["docker://registry.example.com/team/api:v1", "registry.example.com", "team/api", { tag: "v1" }],
  ["registry.example.com/team/api", "registry.example.com", "team/api", undefined],
  ["localhost:5080/app:v1", "localhost:5080", "app", { tag: "v1" }],
  ["localhost/app", "localhost", "app", undefined],
  ["[::1]:5080/app", "[::1]:5080", "app", undefined],
  [`host.test/app@${digest}`, "host.test", "app", { digest }],
  [`host.test/app:v1@${digest}`, "host.test", "app", { digest }],
  ["docker://host.test", "host.test", "", undefined],
  ["docker://host.test/", "host.test", "", undefined],
  ["docker.io/alpine:3", "registry-1.docker.io", "library/alpine", { tag: "3" }],
  ["docker.io/grafana/grafana", "registry-1.docker.io", "grafana/grafana", undefined],
])("%s is an image of a registry", (text, host, repository, reference) => {
  const parsed = parseReference(text, "SRC") as RegistryReference;
  expect([parsed.kind, parsed.host, parsed.repository, parsed.reference]).toEqual([
    "docker",
    host,
    repository,
    reference as never,
  ]);
});

test.each([
  ["oci:a/b", { kind: "oci", path: resolve("a/b"), name: undefined }],
  ["oci:a:v1", { kind: "oci", path: resolve("a"), name: "v1" }],
  ["oci:a:team/api:v1", { kind: "oci", path: resolve("a"), name: "team/api:v1" }],
  ["oci-archive:a.tar", { kind: "oci-archive", path: resolve("a.tar"), name: undefined }],
  ["docker-archive:a.tar:app:v1", { kind: "docker-archive", path: resolve("a.tar"), name: "app:v1" }],
  ["dir:/tmp/a:b", { kind: "dir", path: "/tmp/a:b" }],
])("%s is a place of files", (text, expected) => {
  expect(parseReference(text, "SRC")).toEqual(expected as never);
});

test.each([
  "alpine",
  "library/alpine:3",
  "./folder",
  "oci:",
  "oci:a:",
  "dir:",
  "docker://",
  "docker:host.test/app",
  "host.test/App",
  "host.test/app:",
  "host.test/app@sha256:abc",
  "host.test/a//b",
  "host.test/../etc",
  "https://host.test/app",
  "user@host.test/app",
])("%s is none, and the message says what is", (text) => {
  expect(() => parseReference(text, "SRC")).toThrow(/^SRC: given .*; allowed: docker:/);
});

test.each([
  ["v1", "v1"],
  ["team/api:v1", "team/api:v1"],
  ["docker.io/library/alpine:3", "library/alpine:3"],
  ["localhost:5080/app", "app:latest"],
  [`app@${digest}`, `app@${digest}`],
])("the name %s in a layout means %s", (name, expected) => {
  const image = imageCalled(name);
  expect(image && showImage(image)).toBe(expected);
});

test.each(["", "a b", "Team/api:v1", "../x:y", "x/:v1"])("the name %p in a layout means no image", (name) => {
  expect(imageCalled(name)).toBeUndefined();
});
