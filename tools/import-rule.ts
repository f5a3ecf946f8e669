import { join, normalize } from "node:path";
import { importsIn, linesWith, readSource } from "./source.ts";

/**
 * Who may import whom, who may use which package, and who may touch the outside. `npm run check` runs this. The first
 * room that a file lies in counts.
 */
interface Room {
  /** A pattern of paths. `<name>` stands for one folder's name. */
  readonly room: string;
  /** Patterns of paths. Every room may import itself, with the same `<name>`. */
  readonly ours: readonly string[];
  readonly packages?: readonly string[];
  /** Packages of which only types may be used, by `import type`. */
  readonly types?: readonly string[];
  /** Node's and Bun's modules and globals: all, or those in the list. */
  readonly outside?: "all" | readonly string[];
  readonly because: string;
}

const computation = ["node:crypto"];
/** Where the areas of the domain meet. */
const meetingPlaces = [
  "names",
  "errors",
  "access",
  "bindings",
  "fresh",
  "turns",
  // Whoever changes something puts what follows from it into the queue.
  "jobs/ports",
  "jobs/kinds",
  "jobs/schedules",
].map((name) => `src/domain/${name}.ts`);

export const rooms: readonly Room[] = [
  {
    room: "src/app.ts",
    ours: ["src/**"],
    outside: "all",
    because: "the composition root knows everything, so that nobody else has to",
  },
  {
    room: "src/opening.ts",
    ours: [
      "src/config.ts",
      "src/keepers.ts",
      "src/domain/registry/ports.ts",
      "src/domain/keys/**",
      "src/domain/blob-keys.ts",
      "src/server/**",
      "src/storage/**",
      "src/workers/workers.ts",
    ],
    outside: "all",
    because: "whoever opens stores from a configuration, the server or a command, does it in one way",
  },
  {
    room: "src/keepers.ts",
    ours: ["src/config.ts", "src/domain/keys/**", "src/remotes/**", "src/storage/master-key.ts"],
    outside: "all",
    because: "who holds the master key is chosen in one place, and loads nothing of those that are not chosen",
  },
  {
    room: "src/upkeep.ts",
    ours: ["src/opening.ts", "src/config.ts", "src/domain/**", "src/storage/**"],
    outside: "all",
    because: "what commands do beside a server needs its stores and its rules, and nothing that serves",
  },
  {
    room: "src/compose.ts",
    ours: ["src/domain/**", "src/policy/**", "src/oci/**", "src/aws/**"],
    because: "it puts domain and surfaces together over stores that others have opened",
  },
  {
    room: "src/routines.ts",
    ours: ["src/config.ts", "src/domain/**", "src/jobs/**", "src/server/log.ts", "src/server/metrics.ts"],
    because: "it says what the registry does by the way, and how often, over stores that others have opened",
  },
  {
    room: "src/config-keepers.ts",
    ours: [],
    because: "what is configured must be readable without starting anything",
  },
  {
    room: "src/config-pull-through.ts",
    ours: [],
    because: "what is configured must be readable without starting anything",
  },
  {
    room: "src/config-tls.ts",
    ours: ["src/domain/names.ts"],
    because: "what is configured must be readable without starting anything",
  },
  {
    room: "src/background.ts",
    ours: ["src/domain/**", "src/jobs/**", "src/server/log.ts", "src/server/metrics.ts"],
    because: "it says which jobs there are, over stores that others have opened",
  },
  {
    room: "src/config-values.ts",
    ours: ["src/domain/names.ts"],
    packages: ["zod"],
    outside: "all",
    because: "what is configured must be readable without starting anything",
  },
  {
    room: "src/config-schema.ts",
    ours: [
      "src/config-keepers.ts",
      "src/config-pull-through.ts",
      "src/config-tls.ts",
      "src/config-values.ts",
      "src/domain/names.ts",
    ],
    packages: ["zod"],
    outside: "all",
    because: "what is configured must be readable without starting anything",
  },
  {
    room: "src/config.ts",
    ours: ["src/config-schema.ts"],
    packages: ["zod", "yaml"],
    outside: "all",
    because: "what is configured must be readable without starting anything",
  },
  {
    room: "src/client-config.ts",
    ours: ["src/config.ts", "src/domain/names.ts"],
    packages: ["zod", "yaml"],
    outside: "all",
    because: "a credential helper goes by another file and other variables than the server, and starts nothing of it",
  },
  {
    room: "src/cli/api/**",
    ours: ["src/client-config.ts", "src/domain/names.ts", "src/remotes/aws-signing.ts"],
    outside: "all",
    because:
      "commands that ask a server are clients of its API as any other, with the published signer in place of a whole SDK",
  },
  {
    room: "src/cli/copy/**",
    ours: [
      "src/cli/*.ts",
      "src/cli/api/**",
      "src/client-config.ts",
      "src/domain/{names,errors,json,turns}.ts",
      "src/domain/registry/{manifests,remote-registry,ports,addresses}.ts",
      "src/remotes/registry/**",
      "src/remotes/aws-signing.ts",
    ],
    packages: ["commander"],
    outside: "all",
    because:
      "a copy is a client of two registries by the port that the server's own caches use, and opens no store of a server",
  },
  {
    room: "src/cli/certificates.ts",
    ours: [],
    packages: ["pkijs", "asn1js"],
    outside: ["node:crypto", "node:net"],
    because: "nobody else needs to know how certificates are written, and only the commands that make them load it",
  },
  {
    room: "src/cli/**",
    ours: [
      "src/app.ts",
      "src/opening.ts",
      "src/upkeep.ts",
      "src/config.ts",
      "src/config-values.ts",
      "src/domain/audit/**",
      "src/domain/jobs/**",
      "src/client-config.ts",
      "src/domain/names.ts",
      "src/domain/registry/**",
      "src/domain/identity/accounts.ts",
      "src/domain/names.ts",
      "src/domain/errors.ts",
      "src/remotes/registry/index.ts",
      "src/server/log.ts",
      "src/workers/channel.ts",
      "package.json",
    ],
    packages: ["commander"],
    outside: "all",
    because:
      "a command starts the application, asks it, runs upkeep of the registry over the stores that it opens, or manages accounts, which no API of one account can; log.ts is there because the log is made before anything can fail, channel.ts because a worker hears there what to start",
  },
  {
    room: "src/server/log.ts",
    ours: [],
    packages: ["pino"],
    outside: "all",
    because: "nobody else needs to know what writes the log",
  },
  {
    room: "src/server/{metrics,usage-metrics}.ts",
    ours: ["src/server/**"],
    packages: ["prom-client"],
    outside: "all",
    because: "nobody else needs to know how metrics are counted",
  },
  {
    room: "src/server/**",
    ours: [],
    outside: "all",
    because: "it moves requests and bytes; surfaces reach it as (Request, Arrival) => Promise<Response>",
  },
  {
    room: "src/workers/**",
    ours: ["src/server/log.ts"],
    outside: "all",
    because: "it keeps processes alive and carries messages; what they do is app.ts's affair",
  },
  {
    room: "src/policy/**",
    ours: [],
    because: "a decision depends on its question and nothing else; some day this is a package of its own",
  },
  {
    room: "src/domain/lifecycle/**",
    ours: ["src/domain/names.ts", "src/domain/json.ts", "src/policy/**"],
    because: "a plan depends on the policy, the images and the moment it is given, and on nothing else",
  },
  {
    room: "src/domain/registry/**",
    ours: [...meetingPlaces, "src/domain/lifecycle/**", "src/policy/**"],
    outside: computation,
    because: "registry and identity meet only in a few files of the domain's own, or they grow into one",
  },
  {
    room: "src/domain/{pull-through,replication}/**",
    ours: [...meetingPlaces, "src/domain/registry/**", "src/policy/**"],
    outside: computation,
    because: "they are users of the registry that knows nothing of them: what they bring goes in by its rules",
  },
  {
    room: "src/domain/secrets/**",
    ours: [...meetingPlaces, "src/policy/**"],
    outside: computation,
    because: "secrets are for whoever needs one: they know nothing of registries",
  },
  {
    room: "src/domain/identity/**",
    ours: [...meetingPlaces, "src/policy/**"],
    outside: computation,
    because: "registry and identity meet only in a few files of the domain's own, or they grow into one",
  },
  {
    room: "src/domain/keys/**",
    ours: [...meetingPlaces, "src/policy/**"],
    outside: computation,
    because: "keys are for whoever encrypts something: they know nothing of registries and of who somebody is",
  },
  {
    room: "src/domain/audit/**",
    ours: ["src/domain/names.ts", "src/domain/errors.ts", "src/domain/access.ts", "src/policy/**"],
    outside: [...computation, "node:zlib"],
    because: "the trail takes down what surfaces tell it, packs it, and knows of nobody else",
  },
  {
    room: "src/domain/jobs/**",
    ours: [],
    outside: computation,
    because: "the queue knows nothing of what its jobs do",
  },
  {
    room: "src/domain/**",
    ours: ["src/policy/**"],
    outside: computation,
    because: "the rules know no HTTP, no SQL, no disk, no clock: what they need is passed in",
  },
  {
    room: "src/oci/**",
    ours: ["src/domain/**"],
    because: "a surface translates between a protocol and the domain; it knows no store and no other surface",
  },
  {
    room: "src/aws/protocols/**",
    ours: ["src/aws/**", "src/domain/**"],
    packages: ["zod"],
    outside: computation,
    because: "an encoding knows no service",
  },
  {
    room: "src/aws/<name>/**",
    ours: ["src/aws/protocols/**", "src/aws/*.ts", "src/domain/**"],
    packages: ["zod"],
    types: ["@aws-sdk/"],
    outside: computation,
    because:
      "services share what lies in src/aws and the domain, and never import each other; the SDK is the contract, not a library",
  },
  {
    room: "src/aws/**",
    ours: ["src/domain/**"],
    packages: ["zod"],
    types: ["@aws-sdk/"],
    outside: computation,
    because: "a surface translates between a protocol and the domain; it knows no store and no other surface",
  },
  {
    room: "src/jobs/**",
    ours: ["src/domain/**"],
    packages: ["zod"],
    because: "a job is a surface: a name, a payload, and the domain",
  },
  {
    room: "src/events/**",
    ours: ["src/domain/**"],
    because: "what happens after a change is told, not done, by the domain",
  },
  {
    room: "src/storage/**",
    ours: ["src/domain/**", "src/jobs/ports.ts", "src/events/ports.ts"],
    packages: ["kysely", "pg"],
    outside: "all",
    because: "who needs a port declares it, and storage keeps it; it knows nothing of who asks",
  },
  {
    room: "src/remotes/**",
    ours: ["src/domain/**", "src/jobs/ports.ts", "src/events/ports.ts"],
    packages: ["jose", "@smithy/signature-v4"],
    outside: "all",
    because: "who needs a port declares it, and remotes keep it; they know nothing of who asks",
  },
];

/** They may import anything. `contract.ts` is a suite that drivers run. */
const testFile = /(?:\.test|\/contract|\/testing|\/test-[a-z-]+)\.ts$/;

const outsideGlobals = /(?<![.\w$])(?:Bun|process)\s*\.|(?<![.\w$])fetch\s*\(/;
const environment = /\bprocess\s*\.\s*env\b|\bBun\s*\.\s*env\b|\bimport\s*\.\s*meta\s*\.\s*env\b/;

/** What breaks the rule in one file, as lines for people. `path` is relative to the repository. */
export function violations(path: string, text: string): string[] {
  if (testFile.test(path)) return [];
  const found = rooms.map((room) => ({ room, name: nameIn(room.room, path) })).find(({ name }) => name !== undefined);
  if (!found) return [`${path}: lies in no room of tools/import-rule.ts; give it one, with what it may import and why`];
  const { room, name = "" } = found;
  const source = readSource(text);

  const wrong: string[] = [];
  const refuse = (line: number, what: string, why = room.because) => wrong.push(`${path}:${line} ${what}: ${why}`);
  for (const { from, line, typeOnly } of importsIn(source)) {
    if (from.startsWith(".")) {
      const target = normalize(join(path, "..", from));
      if (!mayImport(room, name, target)) refuse(line, `must not import ${target}`);
    } else if (/^(?:node:|bun$|bun:)/.test(from)) {
      if (room.outside !== "all" && !room.outside?.includes(from)) refuse(line, `must not import ${from}`);
    } else if (!among(room.packages, from)) {
      if (!among(room.types, from)) refuse(line, `must not use the package ${from}`);
      else if (!typeOnly) refuse(line, `may use only types of ${from} (import type)`);
    }
  }
  if (room.outside !== "all") {
    for (const line of linesWith(source, outsideGlobals)) refuse(line, "must not touch the outside");
  }
  if (path !== "src/config.ts" && path !== "src/client-config.ts") {
    const why =
      "src/config.ts, and src/client-config.ts for commands that are clients, are the only readers, so that every setting is checked and documented in one place";
    for (const line of linesWith(source, environment)) refuse(line, "must not read the environment", why);
  }
  return wrong;
}

function mayImport({ room, ours }: Room, name: string, target: string): boolean {
  return [room, ...ours].some((pattern) => new Bun.Glob(pattern.replace("<name>", name)).match(target));
}

/** What `<name>` stands for, "" in a room without one, `undefined` for a path that is not in the room. */
function nameIn(room: string, path: string): string | undefined {
  if (!new Bun.Glob(room.replace("<name>", "*")).match(path)) return undefined;
  const [before] = room.split("<name>");
  return before === room || before === undefined ? "" : path.slice(before.length).split("/")[0];
}

function among(packages: readonly string[] = [], from: string): boolean {
  return packages.some((name) => from === name || from.startsWith(name.endsWith("/") ? name : `${name}/`));
}

if (import.meta.main) {
  const root = join(import.meta.dir, "..");
  const paths = [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: root })].sort();
  const texts = await Promise.all(paths.map((path) => Bun.file(join(root, path)).text()));
  const wrong = paths.flatMap((path, index) => violations(path, texts[index] ?? ""));
  for (const line of wrong) console.error(line);
  console.log(
    `import rule: ${paths.length} files, ${wrong.length === 0 ? "all in order" : `${wrong.length} violations`}`,
  );
  process.exit(wrong.length === 0 ? 0 : 1);
}
