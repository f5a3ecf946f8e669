import { lookup as resolveByName } from "node:dns/promises";
import { isIP } from "node:net";
import { NotFetched } from "./exchange.ts";
import { type Reach, reachOf } from "./public-addresses.ts";

/** All addresses of a name. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Whether a connection may lead to such a place. */
export type Permit = (reach: Reach) => boolean;

/** What a connection is made with: it leads to an address that was looked at, and to no other. */
export interface Guard {
  /** Addresses are not looked up, so they are looked at here. @throws NotFetched */
  checkHost(hostname: string): void;
  readonly lookup: Lookup;
}

type Lookup = (host: string, options: { all?: boolean }, done: (...results: unknown[]) => void) => void;

export const resolveAll: Resolve = async (host) =>
  (await resolveByName(host, { all: true })).map(({ address }) => address);

/**
 * Looks at addresses as a connection is made, and gives it only those that are permitted: a name that leads elsewhere
 * the second time it is resolved leads a connection nowhere else. Link-local addresses never are.
 * @param why what is wrong with the others, in place of where they are
 */
export function createGuard(permit: Permit, resolve: Resolve = resolveAll, why?: string): Guard {
  const isPermitted = (address: string) => {
    const reach = reachOf(address);
    return reach !== "never" && permit(reach);
  };
  const outOfReach = (address: string) => {
    const reach = reachOf(address);
    return new NotFetched(why ?? `a ${reach === "never" ? "special" : reach} address`);
  };
  async function permitted(host: string): Promise<{ address: string; family: number }[]> {
    const addresses = await resolve(host);
    const [first] = addresses;
    if (first === undefined) throw Object.assign(new Error(`${host} has no address`), { code: "ENOTFOUND" });
    const good = addresses.filter((address) => isIP(address) && isPermitted(address));
    if (good.length === 0) throw outOfReach(first);
    return good.map((address) => ({ address, family: isIP(address) }));
  }
  return {
    checkHost(hostname) {
      const literal = hostname.replace(/^\[(.*)\]$/, "$1");
      if (isIP(literal) && !isPermitted(literal)) throw outOfReach(literal);
    },
    lookup(host, options, done) {
      permitted(host).then(
        (found) => (options.all ? done(null, found) : done(null, found[0]?.address, found[0]?.family)),
        (error) => done(error),
      );
    },
  };
}
