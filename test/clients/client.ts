import type { CreateRepositoryCommandInput, ECRClient } from "@aws-sdk/client-ecr";
import type { Ran, RunOptions } from "./process.ts";
import type { Registry } from "./registry.ts";

/** One real program that people use with a registry. Each file in this folder that is named after a program is one. */
export interface Client {
  readonly name: string;
  /** The version that is installed, or nothing when the program is not on this machine. */
  find(): Promise<string | undefined>;
  run(world: World): Promise<void>;
  /** Takes long to install: only with `--all`. */
  readonly heavy?: boolean;
  /** `.ci/run` installs it, so on CI its absence is a failure. */
  readonly installedByCi?: boolean;
  /** Cannot work for another user than root, however it was installed. */
  readonly needsRoot?: boolean;
  readonly timeoutMs?: number;
}

/** The running server and everything a client needs to use it. One world per client, thrown away afterwards. */
export interface World {
  readonly host: string;
  readonly url: string;
  readonly account: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Empty, the home directory of every program run here, removed afterwards. */
  readonly folder: string;
  /** Kept between runs: only for what takes long to make and never differs. */
  readonly cache: string;
  readonly ecr: ECRClient;
  /** The registry spoken to without any client program. */
  readonly registry: Registry;
  /** Runs one check, prints its outcome, and tells whether it passed. Never throws: the next check still runs. */
  check(name: string, body: () => Promise<void>): Promise<boolean>;
  /** Prints the outcome of a check that a script of ours made by itself. */
  report(name: string, outcome: "ok" | "FAIL", durationMs: number, message?: string): void;
  skip(name: string, reason: string): void;
  note(text: string): void;
  run(command: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Makes a repository and returns how clients call it: `host/name`. */
  repository(name: string, settings?: Partial<CreateRepositoryCommandInput>): Promise<string>;
  /** A registry password for the user `AWS`, as `aws ecr get-login-password` prints it. */
  password(): Promise<string>;
  /** Called in reverse order when the client has finished, whatever happened. */
  atEnd(close: () => Promise<void>): void;
}
