import { loadConfig } from "../config.ts";
import { type Verdict, verifyChain } from "../domain/audit/chain.ts";
import { exportRecords } from "../domain/audit/export.ts";
import type { Link } from "../domain/audit/ports.ts";
import { CommandFailed, describeFailure } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { withStores } from "./stores.ts";
import { count } from "./text.ts";

interface StoreArguments {
  readonly config?: string;
  readonly data?: string;
}

const couldNotRun = 2;

/** Ends with 0 when the chain is whole, with 1 when it is not, with 2 when it could not be walked. */
export async function verifyAudit({
  config: file,
  data,
  noted,
  json,
}: StoreArguments & { readonly noted?: string; readonly json?: boolean }): Promise<void> {
  try {
    const config = loadConfig({ file, data });
    const link = noted === undefined ? undefined : linkOf(noted);
    const progress = createProgress(json ? { write() {} } : process.stderr);
    const verdict = await withStores(config, ({ metadata }) =>
      verifyChain(metadata, {
        noted: link,
        progress: (done, total) => progress.show("verifying the audit trail", done, total),
      }),
    ).finally(() => progress.clear());
    console.log(json ? JSON.stringify(reportOf(verdict)) : sentenceOf(verdict));
    if (!verdict.intact) process.exitCode = 1;
  } catch (error) {
    console.error(describeFailure(error));
    process.exitCode = couldNotRun;
  }
}

/** Documented in docs/audit.md. */
function reportOf(verdict: Verdict) {
  if (!verdict.intact) return verdict;
  const { intact, records, removed, newest } = verdict;
  return { intact, records, removed: removed.sequence, end: textOf(newest) };
}

function sentenceOf(verdict: Verdict): string {
  if (!verdict.intact) return `record ${verdict.sequence}: ${verdict.problem}`;
  const { records, removed, newest } = verdict;
  const expired =
    removed.sequence > 0 ? `; ${count(removed.sequence, "older one was", "older ones were")} removed by retention` : "";
  return `${count(records, "audit record")}, none changed, removed or put in${expired}\nthe end to note: ${textOf(newest)}`;
}

function textOf({ sequence, hash }: Link): string {
  return `${sequence}:${hash.toHex()}`;
}

function linkOf(text: string): Link {
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence === undefined || hash === undefined) {
    throw new CommandFailed(`--noted: given "${text}"; allowed: what an earlier verification said to note`);
  }
  return { sequence: Number(sequence), hash: Uint8Array.fromHex(hash) };
}

export async function exportAudit({
  config: file,
  data,
  since,
  until,
}: StoreArguments & { readonly since?: string; readonly until?: string }): Promise<void> {
  const config = loadConfig({ file, data });
  const range = { since: timeOf("--since", since), until: timeOf("--until", until) };
  await withStores(config, async ({ metadata }) => {
    for await (const records of exportRecords(metadata, range)) {
      // Whoever reads slowly is waited for, so that memory does not fill.
      await Bun.write(Bun.stdout, records.map((record) => `${record}\n`).join(""));
    }
  });
}

function timeOf(option: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) {
    throw new CommandFailed(`${option}: given "${text}"; allowed: a time, such as 2026-03-01 or 2026-03-01T12:00:00Z`);
  }
  return time;
}
