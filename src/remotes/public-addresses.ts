import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Where on the network an address is, as far as requests that others cause are concerned. */
export type Reach = "public" | "private" | "loopback" | "never";

/** Networks that lead nowhere from here, or to the machine's own keeper: cloud metadata is at link-local addresses. */
const never = blockList(
  ["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"],
  ["::/128", "fe80::/10", "ff00::/8"],
);
const loopback = blockList(["127.0.0.0/8"], ["::1/128"]);
/** IANA special-purpose registries, less the above. */
const inside = blockList(
  [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
  ],
  ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"],
);
const everywhere = blockList([], ["2000::/3"]);

export function reachOf(address: string): Reach {
  const inner = embedded(address);
  if (inner !== undefined) return reachOf(inner);
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
  if (!family || never.check(address, family)) return "never";
  if (loopback.check(address, family)) return "loopback";
  // Of IPv6, what is not yet given out is not public.
  const isPublic = !inside.check(address, family) && (family === "ipv4" || everywhere.check(address, family));
  return isPublic ? "public" : "private";
}

/** The IPv4 address that an IPv6 address stands for: mapped (RFC 4291), or behind a translator (RFC 6052). */
function embedded(address: string): string | undefined {
  if (!isIPv6(address) || address.includes("%")) return undefined;
  const { hostname } = new URL(`http://[${address}]`);
  const [, high, low] = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const bits = (Number.parseInt(high, 16) << 16) | Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join(".");
}

function blockList(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const [family, networks] of [
    ["ipv4", ipv4],
    ["ipv6", ipv6],
  ] as const) {
    for (const network of networks) {
      const [address = "", bits] = network.split("/");
      list.addSubnet(address, Number(bits), family);
    }
  }
  return list;
}
