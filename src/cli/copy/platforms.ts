import { CommandFailed } from "../failure.ts";
import { isObject } from "./layout-index.ts";
import { CopyFailed } from "./problems.ts";

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** `linux/arm64`, `linux/arm/v7`. @throws CommandFailed */
export function parsePlatform(text: string): Platform {
  const [, os, architecture, variant] = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text) ?? [];
  if (!os || !architecture) {
    throw new CommandFailed(
      `--platform: given "${text}"; allowed: OS/ARCHITECTURE[/VARIANT], such as linux/arm64 or linux/arm/v7`,
    );
  }
  return { os, architecture, variant };
}

export const thisPlatform: Platform = {
  os: "linux",
  architecture: process.arch === "x64" ? "amd64" : process.arch,
};

export const showPlatform = ({ os, architecture, variant }: Platform) =>
  `${os}/${architecture}${variant ? `/${variant}` : ""}`;

/** Which child of an index is about which other one (BuildKit's attestations). */
const aboutAnnotation = "vnd.docker.reference.digest";

/**
 * The descriptors of an index that are for one of these platforms, as they stand there.
 * @throws CopyFailed naming what is there, when a platform is not
 */
export function chosenOf(bytes: Uint8Array, platforms: readonly Platform[]): Record<string, unknown>[] {
  const { manifests } = JSON.parse(new TextDecoder().decode(bytes)) as { manifests?: unknown };
  const entries = (Array.isArray(manifests) ? manifests : []).filter(isObject);
  const chosen = new Set<Record<string, unknown>>();
  for (const platform of platforms) {
    const found = entries.filter((entry) => matches(entry.platform, platform));
    if (found.length === 0) {
      const there = entries.flatMap((entry) => showIfKnown(entry.platform)).join(", ");
      throw new CopyFailed(
        `it is not there for ${showPlatform(platform)}${there && `; there are ${there}`}`,
        "missing",
      );
    }
    for (const entry of found) chosen.add(entry);
  }
  return entries.filter((entry) => chosen.has(entry));
}

/** The same index with these children alone, and what attests to them. */
export function withOnly(bytes: Uint8Array, chosen: readonly Record<string, unknown>[]): Uint8Array {
  const index = JSON.parse(new TextDecoder().decode(bytes)) as { manifests: Record<string, unknown>[] };
  const digests = new Set(chosen.map(({ digest }) => digest));
  const manifests = index.manifests.filter(({ digest, annotations }) => {
    return digests.has(digest) || (isObject(annotations) && digests.has(annotations[aboutAnnotation]));
  });
  return new TextEncoder().encode(JSON.stringify({ ...index, manifests }));
}

function matches(value: unknown, { os, architecture, variant }: Platform): boolean {
  if (!isObject(value) || value.os !== os || value.architecture !== architecture) return false;
  if (variant === undefined || value.variant === variant) return true;
  // There is one kind of 64-bit ARM that all mean who say nothing (containerd, "platforms").
  return architecture === "arm64" && variant === "v8" && (value.variant ?? "") === "";
}

function showIfKnown(value: unknown): string[] {
  if (!isObject(value)) return [];
  const { os, architecture, variant } = value;
  if (typeof os !== "string" || typeof architecture !== "string" || os === "unknown") return [];
  return [showPlatform({ os, architecture, variant: typeof variant === "string" ? variant : undefined })];
}
