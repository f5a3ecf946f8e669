import { expect, test } from "bun:test";
import { isAmong, withWellKnown } from "./hosts.ts";
import { onThisMachine } from "./testing.ts";

test.each([
  ["auth.docker.io", "https://auth.docker.io/token", true],
  ["AUTH.docker.io", "https://auth.docker.io:443/", true],
  ["auth.docker.io", "https://auth.docker.io:8443/", false],
  ["auth.docker.io:8443", "https://auth.docker.io:8443/", true],
  ["auth.docker.io:*", "https://auth.docker.io:8443/", true],
  ["auth.docker.io:*", "https://auth.docker.io/", true],
  ["auth.docker.io:*", "https://auth.docker.io.evil.test/", false],
  ["auth.docker.io", "https://authxdocker.io/", false],
  ["*.pkg.dev", "https://us-docker.pkg.dev/", true],
  ["*.pkg.dev", "https://a.b.pkg.dev/", true],
  ["*.pkg.dev", "https://pkg.dev/", false],
  ["*.pkg.dev", "https://evilpkg.dev/", false],
  ["*.pkg.dev", "https://a.pkg.dev:8443/", false],
  ["*.pkg.dev", "https://a.pkg.dev.evil.test/", false],
  ["*.corp:*", "http://store.corp:9000/", true],
  ["[::1]:5000", "http://[::1]:5000/", true],
  ["(a+)+", "https://aaaa/", false],
  ["", "https://a/", false],
])("%p and %p: %p", (entry, url, isIt) => {
  expect(isAmong([entry], new URL(url))).toBe(isIt);
});

test("no list has nobody in it", () => {
  expect([isAmong(undefined, new URL("https://a")), isAmong([], new URL("https://a"))]).toEqual([false, false]);
});

test("the hosts of large registries are known, and stand beside those that are named", () => {
  const reach = onThisMachine;
  const hub = { origin: "https://registry-1.docker.io", reach };
  expect(withWellKnown(hub).tokenHosts).toEqual(["auth.docker.io"]);
  expect(withWellKnown({ ...hub, tokenHosts: ["mine.test"] }).tokenHosts).toEqual(["mine.test", "auth.docker.io"]);
  expect(withWellKnown({ ...hub, origin: "http://registry-1.docker.io" }).tokenHosts).toBeUndefined();
  expect(withWellKnown({ ...hub, origin: "https://registry.test" })).toEqual({
    ...hub,
    origin: "https://registry.test",
  });
});
