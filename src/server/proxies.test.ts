import { expect, test } from "bun:test";
import { createProxies } from "./proxies.ts";

const proxies = createProxies(["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"]);
const from = (peer: string, forwardedFor?: string, proto?: string) => {
  const headers = new Headers();
  if (forwardedFor !== undefined) headers.set("x-forwarded-for", forwardedFor);
  if (proto !== undefined) headers.set("x-forwarded-proto", proto);
  const { sourceIp, secureTransport } = proxies.originOf(peer, headers, false);
  return secureTransport ? `${sourceIp} by TLS` : sourceIp;
};

test.each([
  ["203.0.113.9", undefined, undefined, "203.0.113.9"],
  // A client's own words.
  ["203.0.113.9", "10.1.1.1", "https", "203.0.113.9"],
  ["10.0.0.1", undefined, "https", "10.0.0.1 by TLS"],
  ["10.0.0.1", "203.0.113.9", "https", "203.0.113.9 by TLS"],
  ["10.0.0.1", "203.0.113.9", "http", "203.0.113.9"],
  ["10.0.0.1", "203.0.113.9", "HTTPS", "203.0.113.9 by TLS"],
  // Whatever the client put in front.
  ["10.0.0.1", "1.1.1.1, 203.0.113.9", "https", "203.0.113.9 by TLS"],
  ["10.0.0.1", "1.1.1.1, 203.0.113.9, 10.2.2.2,192.0.2.7", "https", "203.0.113.9 by TLS"],
  ["10.0.0.1", "203.0.113.9, 192.0.2.8", undefined, "192.0.2.8"],
  ["10.0.0.1", "10.3.3.3, 10.2.2.2", undefined, "10.3.3.3"],
  ["10.0.0.1", "203.0.113.9", "https, http", "203.0.113.9"],
  ["::ffff:10.0.0.1", "::ffff:203.0.113.9", undefined, "203.0.113.9"],
  ["2001:db8:1::5", "2001:DB8:2::9", "https", "2001:db8:2::9 by TLS"],
  ["10.0.0.1", "[2001:db8:2::9]:443", undefined, "2001:db8:2::9"],
  ["10.0.0.1", "203.0.113.9:4711", undefined, "203.0.113.9"],
  ["10.0.0.1", "203.0.113.9, unknown", undefined, "10.0.0.1"],
  ["10.0.0.1", "203.0.113.9, ", undefined, "10.0.0.1"],
  ["unknown", "203.0.113.9", "https", "unknown"],
])("a request from %p with X-Forwarded-For %p and X-Forwarded-Proto %p comes from %p", (peer, hops, proto, origin) => {
  expect(from(peer, hops, proto)).toBe(origin);
});

test("nobody is trusted unless it is said", () => {
  const headers = new Headers({ "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" });
  expect(createProxies([]).originOf("127.0.0.1", headers, false)).toEqual({
    sourceIp: "127.0.0.1",
    secureTransport: false,
  });
});

test.each<[peer: string, headers: Record<string, string>, secureTransport: boolean]>([
  // Nobody's word counts for more than the connection itself.
  ["203.0.113.9", {}, true],
  ["203.0.113.9", { "x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "http" }, true],
  // A trusted proxy's connection to us says nothing about the client's to it.
  ["10.0.0.5", { "x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "http" }, false],
  ["10.0.0.5", { "x-forwarded-for": "198.51.100.1" }, false],
  ["10.0.0.5", { "x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "https" }, true],
  ["10.0.0.5", {}, true],
])("over TLS, from %s with %j", (peer, headers, secureTransport) => {
  expect(proxies.originOf(peer, new Headers(headers), true).secureTransport).toBe(secureTransport);
});
