import { resolve } from "node:path";
import { type Digest, parseDigest, parseTag, type Tag } from "../../domain/names.ts";
import type { RemoteReference } from "../../domain/registry/remote-registry.ts";
import { hostIn } from "../api/hosts.ts";
import { CommandFailed } from "../failure.ts";
import type { ImageName } from "./places.ts";

/** SRC and DST as they are typed, in the words of skopeo and Docker. */
export type PlaceReference =
  | RegistryReference
  | { readonly kind: "oci"; readonly path: string; readonly name?: string }
  | { readonly kind: "oci-archive"; readonly path: string; readonly name?: string }
  | { readonly kind: "docker-archive"; readonly path: string; readonly name?: string }
  | { readonly kind: "dir"; readonly path: string };

export interface RegistryReference {
  readonly kind: "docker";
  /** As clients connect to it: `registry-1.docker.io` for Docker Hub. */
  readonly host: string;
  /** As people and `config.json` call it. */
  readonly shownHost: string;
  /** "" for the whole registry. */
  readonly repository: string;
  readonly reference?: RemoteReference;
}

export const forms =
  "docker://HOST/REPOSITORY[:TAG|@DIGEST] (docker:// may be left out), oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or dir:DIR";

/** What a registry calls a repository (OCI distribution specification, "Pulling manifests"). */
const repositoryForm = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;

/** @throws CommandFailed naming the argument */
export function parseReference(text: string, argument: string): PlaceReference {
  const [, transport, rest = ""] = /^(docker|oci|oci-archive|docker-archive|dir):(.*)$/s.exec(text) ?? [];
  if (transport === undefined || (transport === "docker" && !rest.startsWith("//")))
    return registryReference(text, argument, text);
  if (transport === "docker") return registryReference(rest.slice(2), argument, text);
  if (transport === "dir") {
    if (rest === "") throw wrong(argument, text);
    return { kind: "dir", path: resolve(rest) };
  }
  // A path with a colon in it cannot be said, as with every other tool that knows these forms.
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const name = colon < 0 ? undefined : rest.slice(colon + 1);
  if (path === "" || name === "" || (name?.length ?? 0) > 512) throw wrong(argument, text);
  return { kind: transport as "oci", path: resolve(path), name };
}

function registryReference(text: string, argument: string, given: string): RegistryReference {
  const slash = text.indexOf("/");
  const host = hostIn(slash < 0 ? text : text.slice(0, slash));
  const path = slash < 0 ? "" : text.slice(slash + 1).replace(/\/$/, "");
  if (!host || /^[./~]/.test(text)) throw wrong(argument, given);
  // `alpine`, `library/alpine`: which registry is meant would have to be guessed.
  if (!/[.:]/.test(host) && host !== "localhost") throw wrong(argument, given, `"${host}" is no host name`);
  const shownHost = host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
  const connected = shownHost === "docker.io" ? "registry-1.docker.io" : host;
  if (path === "") return { kind: "docker", host: connected, shownHost, repository: "" };
  const named = splitName(path);
  if (!named || named.repository.length > 255) throw wrong(argument, given);
  const repository =
    shownHost === "docker.io" && !named.repository.includes("/") ? `library/${named.repository}` : named.repository;
  return { kind: "docker", host: connected, shownHost, repository, reference: named.reference };
}

/** `repository`, `repository:tag`, `repository@digest`, and both, of which the digest counts. */
function splitName(text: string): { repository: string; reference?: RemoteReference } | undefined {
  const [name = "", digestText, ...more] = text.split("@");
  const digest = digestText === undefined ? undefined : parseDigest(digestText);
  if (more.length > 0 || (digestText !== undefined && !digest)) return undefined;
  const colon = name.lastIndexOf(":");
  const repository = colon < 0 ? name : name.slice(0, colon);
  const tag = colon < 0 ? undefined : parseTag(name.slice(colon + 1));
  if (!repositoryForm.test(repository) || (colon >= 0 && !tag)) return undefined;
  return { repository, reference: referenceOf(tag, digest) };
}

function referenceOf(tag: Tag | undefined, digest: Digest | undefined): RemoteReference | undefined {
  if (digest) return { digest };
  return tag && { tag };
}

/**
 * The image that a name in a layout or an archive means: a tag, or a whole name, whose host says only where it once was.
 * `undefined` for what no registry could be asked for.
 */
export function imageCalled(name: string): ImageName | undefined {
  const tag = parseTag(name);
  if (tag) return { repository: "", reference: { tag } };
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(0, slash));
  const isHost = /[.:]|^localhost$/.test(first) && hostIn(first) !== undefined;
  const path = isHost ? name.slice(slash + 1) : name;
  const named = splitName(path);
  if (!named) return undefined;
  return { repository: named.repository, reference: named.reference ?? { tag: "latest" as Tag } };
}

function wrong(argument: string, text: string, why?: string): CommandFailed {
  return new CommandFailed(`${argument}: given "${text}"${why ? ` (${why})` : ""}; allowed: ${forms}`);
}
