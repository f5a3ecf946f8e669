import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Where a request comes from, and how. */
export interface Origin {
  readonly sourceIp: string;
  readonly secureTransport: boolean;
}

export interface Proxies {
  /**
   * @param peer the address at the other end of the connection
   * @param isEncrypted whether that connection is
   */
  originOf(peer: string, headers: Headers, isEncrypted: boolean): Origin;
}

/** More hops than anybody has. What comes before is a client's own words. */
const maxHops = 32;

/**
 * Who a request comes from when proxies are in between. What a proxy says counts only if it is trusted, and what it says of
 * another proxy only if that one is trusted too: the header is read from its end, where the nearest one has written.
 * @param trusted addresses and networks, `10.0.0.0/8`
 */
export function createProxies(trusted: readonly string[]): Proxies {
  const networks = new BlockList();
  for (const network of trusted) {
    const [address = "", bits] = network.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    networks.addSubnet(address, bits === undefined ? (family === "ipv4" ? 32 : 128) : Number(bits), family);
  }
  const isTrusted = (address: string) =>
    isIPv4(address) ? networks.check(address, "ipv4") : isIPv6(address) && networks.check(address, "ipv6");

  return {
    originOf(peer, headers, isEncrypted) {
      const direct = { sourceIp: plainAddress(peer), secureTransport: isEncrypted };
      if (!isTrusted(direct.sourceIp)) return direct;
      let { sourceIp } = direct;
      const hops = listOf(headers.get("x-forwarded-for")).slice(-maxHops);
      const schemes = listOf(headers.get("x-forwarded-proto"));
      // It comes by itself, from the address of a proxy.
      if (hops.length === 0 && schemes.length === 0) return direct;
      for (const hop of hops.reverse()) {
        const address = hopAddress(hop);
        // Nobody knows what the rest of the header would mean.
        if (address === undefined) break;
        sourceIp = address;
        if (!isTrusted(address)) break;
      }
      // The nearest proxy's word, where each has added its own.
      return { sourceIp, secureTransport: schemes.at(-1)?.toLowerCase() === "https" };
    },
  };
}

function listOf(header: string | null): string[] {
  return header === null ? [] : header.split(",").map((item) => item.trim());
}

/** `::ffff:192.0.2.1` is an IPv4 client of a listener for both families. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "").toLowerCase();
}

/** Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function hopAddress(text: string): string | undefined {
  const [, bracketed, plain = ""] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([^:]*)(?::\d{1,5})?)$/.exec(text) ?? [];
  const address = plainAddress(bracketed ?? (plain === "" ? text : plain));
  return isIPv4(address) || isIPv6(address) ? address : undefined;
}
