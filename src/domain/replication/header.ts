import { parseAccountId, parseRegion, type Registry } from "../names.ts";

/**
 * How one Berth tells another for which registry it sends, and to which: a header of every request between them. It is no
 * proof of anything: whoever receives it asks the gate whether the sender may act so.
 *
 *     Berth-Replicate: from=123456789012/us-east-1; to=123456789012/eu-west-1
 */
export const replicateHeader = "berth-replicate";

export interface Replicates {
  readonly from: Registry;
  readonly to: Registry;
}

const form = /^from=(\d{12})\/([a-z0-9-]{1,40}); to=(\d{12})\/([a-z0-9-]{1,40})$/;

export function formatReplicates({ from, to }: Replicates): string {
  return `from=${from.account}/${from.region}; to=${to.account}/${to.region}`;
}

/** `undefined` for a text that says nothing. */
export function parseReplicates(text: string): Replicates | undefined {
  const [, ...parts] = form.exec(text) ?? [];
  const [fromAccount, fromRegion, toAccount, toRegion] = parts;
  const from = registryOf(fromAccount, fromRegion);
  const to = registryOf(toAccount, toRegion);
  return from && to && { from, to };
}

function registryOf(accountText = "", regionText = ""): Registry | undefined {
  const account = parseAccountId(accountText);
  const region = parseRegion(regionText);
  return account && region && { account, region };
}
