import type { Bench } from "../bench.ts";
import { berth, berthPlain } from "./berth.ts";
import { distribution, distribution3 } from "./distribution.ts";
import { nginx } from "./nginx.ts";
import type { Peer, PeerKind } from "./peer.ts";
import { zot } from "./zot.ts";

export type { Peer } from "./peer.ts";

export interface FoundPeer {
  readonly kind: PeerKind;
  readonly program: string;
  readonly version: string;
}

/** The peers of this machine; Berth is the first, as it comes and without encryption of its own. Those that are not here are named. */
export async function findPeers(leaveOut: (what: string) => void): Promise<FoundPeer[]> {
  const found: FoundPeer[] = [];
  for (const kind of [berth, berthPlain, distribution, distribution3, zot, nginx]) {
    const where = kind.find();
    if ("missing" in where) leaveOut(`${kind.name} (${where.missing})`);
    else found.push({ kind, program: where.program, version: await kind.version(where.program) });
  }
  return found;
}

/** Runs `work` with those peers started. One that does not start is left out. */
export async function withPeers(
  bench: Bench,
  found: readonly FoundPeer[],
  { folder, file }: { folder: string; file?: string },
  work: (peers: Peer[]) => Promise<void>,
): Promise<void> {
  const peers: Peer[] = [];
  try {
    for (const { kind, program } of found) {
      try {
        peers.push(await kind.start(program, folder, file));
      } catch (error) {
        if (kind === berth) throw error;
        bench.leaveOut((error as Error).message);
      }
    }
    await work(peers);
  } finally {
    for (const peer of peers) await peer.stop();
  }
}
