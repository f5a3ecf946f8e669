import { join } from "node:path";
import type { World } from "./client.ts";
import { contains, equal, holds } from "./expect.ts";

export const name = "conformance";

/** The OCI conformance program: where BERTH_CONFORMANCE says, or by its name on the PATH. */
const program = () => process.env.BERTH_CONFORMANCE ?? Bun.which("conformance") ?? undefined;

export async function find(): Promise<string | undefined> {
  const path = program();
  return path && (await Bun.file(path).exists()) ? "of the OCI distribution specification" : undefined;
}

const PROFILES = ["1.1", "dev"];

export async function run(world: World): Promise<void> {
  for (const profile of PROFILES) {
    const repositories = ["one", "two"].map((each) => `conformance-${profile}/${each}`);
    for (const repository of repositories) await world.repository(repository);
    await world.check(`profile ${profile}: no failure`, async () => {
      const report = await runProfile(world, profile, repositories);
      const { Pass, FAIL, Error: errors, Skip, Disabled } = counts(report);
      world.note(`${Pass} passed, ${FAIL} failed, ${errors} errors, ${Skip} skipped, ${Disabled} disabled`);
      for (const line of skippedTests(report)) world.note(line);
      equal([FAIL, errors], [0, 0], `failures and errors\n${failedTests(report).slice(0, 40).join("\n")}\n`);
      holds((Pass ?? 0) > 100, `only ${Pass} tests passed`);
      contains(report, "OCI Conformance Result: Pass", "result");
    });
  }
}

async function runProfile(world: World, profile: string, repositories: readonly string[]): Promise<string> {
  const env = {
    OCI_REGISTRY: world.host,
    OCI_TLS: "disabled",
    OCI_REPO1: repositories[0] ?? "",
    OCI_REPO2: repositories[1] ?? "",
    OCI_USERNAME: "AWS",
    OCI_PASSWORD: await world.password(),
    OCI_VERSION: profile,
    OCI_LOG: "error",
    OCI_RESULTS_DIR: join(world.folder, profile),
  };
  // Its exit code repeats what the counts say; the report is wanted in either case.
  const command = ["sh", "-c", '"$0" || test $? = 1', program() ?? ""];
  return (await world.run(command, { env, timeoutMs: 150_000 })).stdout;
}

function counts(report: string): Record<string, number> {
  const summary = report.slice(report.indexOf("OCI Conformance Result:"));
  return Object.fromEntries(
    [...summary.matchAll(/^ {2}(\w+)\.+: +(\d+)$/gm)].map(([, key, count]) => [key, Number(count)]),
  );
}

interface TestLine {
  readonly test: string;
  readonly reason: string;
}

/** The tests that ended with this status, each with the reason that stands below it. */
function testsWith(report: string, status: string): TestLine[] {
  const lines = report.slice(0, report.indexOf("\nConfiguration:")).split("\n");
  return lines.flatMap((line, number) => {
    const [, indent, test] = new RegExp(`^( *)(.+): ${status}$`).exec(line) ?? [];
    const next = lines[number + 1] ?? "";
    const isGroup = next.search(/\S/) > (indent?.length ?? 0) && !next.trim().startsWith("- ");
    if (test === undefined || isGroup) return [];
    const reason = next.trim().startsWith("- ") ? next.trim().slice(2) : "no reason given";
    return [{ test: test.replace("OCI Conformance Test/", ""), reason }];
  });
}

function failedTests(report: string): string[] {
  return ["FAIL", "Error"]
    .flatMap((status) => testsWith(report, status))
    .map(({ test, reason }) => `${test}: ${reason}`);
}

/** Skipped tests, those with the same reason together. */
function skippedTests(report: string): string[] {
  const skipped = [
    ...testsWith(report, "Skip"),
    ...testsWith(report, "Disabled").map((line) => ({ ...line, reason: "not part of this profile" })),
  ];
  const byReason = Map.groupBy(skipped, ({ reason }) => reason);
  return [...byReason].flatMap(([reason, lines]) => [
    `skipped ${lines.length}, ${reason}:`,
    ...lines.map(({ test }) => `  ${test}`),
  ]);
}
