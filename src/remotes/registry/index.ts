import { createHash } from "node:crypto";
import {
  type EcrCredentials,
  type OpenRemote,
  RemoteFailure,
  type RemoteTarget,
} from "../../domain/registry/remote-registry.ts";
import type { Resolve } from "../guard.ts";
import { createCalls } from "./calls.ts";
import { createEcrCredentials } from "./ecr-credentials.ts";
import { withWellKnown } from "./hosts.ts";
import { createListing } from "./listing.ts";
import { rememberSignIns } from "./memory.ts";
import { createReading } from "./reading.ts";
import { createSigningIn } from "./signing-in.ts";
import { createTransport, type Patience } from "./transport.ts";
import { createUploading } from "./uploading.ts";
import { createWriting } from "./writing.ts";

export interface Remotes {
  /** As often as one likes: connections and tokens are shared. @throws RemoteFailure for what is no address */
  readonly open: OpenRemote;
  readonly ecrCredentials: EcrCredentials;
  close(): void;
}

export interface RemotesParts {
  readonly clock?: () => Date;
  readonly resolve?: Resolve;
  readonly patience?: Partial<Patience>;
  /** Before an upload that failed is tried again. */
  readonly pauseMs?: number;
}

/** Other registries, and what is remembered of all of them: connections, challenges, tokens. */
export function createRemotes({
  clock = () => new Date(),
  resolve,
  patience,
  pauseMs = 500,
}: RemotesParts = {}): Remotes {
  const memory = rememberSignIns();
  /** One for each combination of what may be reached and who is trusted: operators configure few. */
  const transports = new Map<string, ReturnType<typeof createTransport>>();

  function transportFor({ reach, authorities }: Pick<RemoteTarget, "reach" | "authorities">) {
    const trust = authorities === undefined ? "" : createHash("sha256").update(authorities).digest("hex");
    const key = [reach.private, reach.loopback, reach.insecure, trust].join();
    const known = transports.get(key);
    if (known) return known;
    const made = createTransport({ reach, authorities, resolve, patience });
    transports.set(key, made);
    return made;
  }

  return {
    open(target) {
      const origin = originIn(target.origin);
      const transport = transportFor(target);
      const checked = withWellKnown({ ...target, origin: origin.origin });
      const signingIn = createSigningIn({ target: checked, transport, memory, clock });
      const { elsewhere, authorities } = target;
      const outside = elsewhere && transportFor({ reach: elsewhere.reach, authorities });
      const calls = createCalls({ target: checked, transport, outside, signingIn, clock });
      const reading = createReading(calls);
      const putBlob = createUploading({ calls, origin, statBlob: reading.statBlob, pauseMs });
      return { name: origin.host, ...reading, ...createListing(calls), ...createWriting({ calls, origin }), putBlob };
    },
    ecrCredentials: (access) => createEcrCredentials({ access, transport: transportFor(access), clock }),
    close() {
      for (const transport of transports.values()) transport.close();
      transports.clear();
    },
  };
}

function originIn(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin =
    url && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "" && url.hash === "";
  if (url && isOrigin && url.username === "" && url.password === "") return url;
  throw new RemoteFailure("out-of-bounds", "that is no address of a registry");
}
