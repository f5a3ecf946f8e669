import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { output } from "./peer.ts";

/** Where the programs of the peers are, and how those in Go are built. */

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "berth-bench");

/** By variable, on PATH, or built by `--install`. */
export function findProgram(variable: string, name: string, advice: string): { program: string } | { missing: string } {
  const named = process.env[variable];
  if (named)
    return existsSync(named) ? { program: named } : { missing: `${variable} names ${named}, which is not there` };
  const built = join(cache, name);
  const program = Bun.which(name) ?? (existsSync(built) ? built : undefined);
  return program ? { program } : { missing: advice };
}

/** The module of `package` at its version, as the Go program itself knows it. */
export async function goVersion(program: string, module: string): Promise<string> {
  const facts = await output([Bun.which("go") ?? "go", "version", "-m", program]);
  const line = facts.split("\n").find((text) => text.includes(`\t${module}\t`));
  return line?.split("\t").find((text) => /^v\d/.test(text)) ?? "?";
}

interface Build {
  readonly name: string;
  readonly package: string;
  readonly goMod: readonly string[];
  readonly tags?: string;
}

const builds: readonly Build[] = [
  {
    name: "registry",
    package: "github.com/distribution/distribution/v3/cmd/registry",
    goMod: ["require github.com/distribution/distribution/v3 v3.1.2"],
  },
  {
    // The newest that builds out of the module proxy: later ones need replacements that only their own go.mod has.
    name: "zot",
    package: "zotregistry.io/zot/cmd/zot",
    goMod: ["require zotregistry.io/zot v1.4.3", "replace zotregistry.io/zot => github.com/project-zot/zot v1.4.3"],
    tags: "minimal,containers_image_openpgp",
  },
];

/** Builds what is not there yet. A build that fails is told, and its peer left out. */
export async function install(say: (text: string) => void): Promise<void> {
  const go = Bun.which("go");
  if (!go) return say("--install: there is no Go on this machine, so nothing was built");
  for (const { name, package: path, goMod, tags } of builds) {
    const target = join(cache, name);
    if (existsSync(target)) continue;
    say(`building ${name} in ${cache} (some minutes) …`);
    const source = join(cache, "source", name);
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "go.mod"), ["module bench", "go 1.21", ...goMod, ""].join("\n"));
    const command = [go, "build", "-mod=mod", ...(tags ? ["-tags", tags] : []), "-o", target, path];
    const build = Bun.spawn(command, { cwd: source, stdout: "ignore", stderr: "pipe" });
    const errors = await new Response(build.stderr).text();
    if ((await build.exited) !== 0) say(`--install: ${name} could not be built: ${errors.trim().split("\n").at(-1)}`);
  }
}
