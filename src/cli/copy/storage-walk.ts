import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseRepositoryName } from "../../domain/names.ts";
import { CopyFailed } from "./problems.ts";

/** Folders in folders: as deep as the longest name can be. */
const maxDepth = 128;

export interface Walking {
  /** Whether a folder is a repository, by what lies in it. */
  readonly isRepository: (names: ReadonlySet<string>) => boolean;
  /** Names of folders that are parts of a repository, and no further ones. */
  readonly isInner: (name: string) => boolean;
  /** Told of repositories whose name Berth does not take. */
  readonly warn: (text: string) => void;
}

/** The repositories in the storage folder of another registry, in order. Links to folders are not followed. */
export async function* repositoriesIn(root: string, walking: Walking): AsyncGenerator<string> {
  yield* below(root, "", 0, walking);
}

async function* below(root: string, name: string, depth: number, walking: Walking): AsyncGenerator<string> {
  const entries = await foldersIn(join(root, name));
  const { isRepository, isInner, warn } = walking;
  if (name !== "" && isRepository(entries.names)) {
    if (parseRepositoryName(name)) yield name;
    else warn(`left out: the repository "${name}", whose name cannot be used`);
  }
  if (depth === maxDepth) return;
  for (const folder of entries.folders) {
    if (!isInner(folder)) yield* below(root, name === "" ? folder : `${name}/${folder}`, depth + 1, walking);
  }
}

export async function foldersIn(path: string): Promise<{ names: ReadonlySet<string>; folders: string[] }> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return { names: new Set(entries.map(({ name }) => name)), folders: folders.sort() };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return { names: new Set(), folders: [] };
    throw new CopyFailed(`${path} cannot be read (${code})`);
  }
}
