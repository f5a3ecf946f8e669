import type { Tag } from "../../domain/names.ts";
import { CommandFailed } from "../failure.ts";
import { type ImageName, showImage, tagOf } from "./places.ts";
import { imageCalled, type PlaceReference } from "./references.ts";

/** What images are called where they go. */
export interface Targets {
  /** The one image of a copy. @throws CommandFailed */
  one(from: ImageName): ImageName;
  /** Each of many. @throws CommandFailed */
  each(from: ImageName): ImageName;
  /** What `docker load` is to call an image. */
  fullName(to: ImageName): string | undefined;
}

export function createTargets(source: PlaceReference, destination: PlaceReference): Targets {
  const isOneRepository = source.kind === "docker" && source.repository !== "";
  /** The part of a repository's name that many images keep. */
  const kept = ({ repository }: ImageName) => (isOneRepository ? "" : repository);

  return {
    one(from) {
      const reference = from.reference;
      switch (destination.kind) {
        case "docker": {
          const repository = destination.repository || from.repository;
          if (repository === "") throw new CommandFailed("DST: name a repository behind the host");
          const asked = destination.reference;
          if (asked && "digest" in asked && ("tag" in reference || reference.digest !== asked.digest)) {
            throw new CommandFailed("DST: a digest cannot be chosen; name a tag, or leave it out");
          }
          return { repository, reference: asked ?? reference };
        }
        case "oci":
        case "oci-archive": {
          if (destination.name === undefined) return { repository: "", reference };
          const named = imageCalled(destination.name);
          if (!named) throw new CommandFailed(`DST: given "${destination.name}"; allowed: TAG or REPOSITORY:TAG`);
          return named;
        }
        case "docker-archive": {
          const named = destination.name === undefined ? undefined : imageCalled(`x/${destination.name}`);
          if (destination.name !== undefined && !named) {
            throw new CommandFailed(`DST: given "${destination.name}"; allowed: REPOSITORY:TAG`);
          }
          return { repository: from.repository, reference: named?.reference ?? reference };
        }
        case "dir":
          return { repository: "", reference };
      }
    },
    each(from) {
      const repository = kept(from);
      if (destination.kind === "dir") throw new CommandFailed("DST: dir: holds one image; oci: holds many");
      if (destination.kind === "docker") {
        const name = [destination.repository, repository].filter((part) => part !== "").join("/");
        if (destination.reference)
          throw new CommandFailed("DST: many images keep their tags; name a repository or a host alone");
        if (name === "") throw new CommandFailed(`DST: name a repository behind the host, for ${showImage(from)}`);
        return { repository: name, reference: from.reference };
      }
      if (destination.name !== undefined)
        throw new CommandFailed("DST: many images keep their names; leave the name out");
      return {
        repository: destination.kind === "docker-archive" ? from.repository : repository,
        reference: from.reference,
      };
    },
    fullName(to) {
      if (destination.kind !== "docker-archive") return undefined;
      if (destination.name !== undefined)
        return destination.name.includes(":") ? destination.name : `${destination.name}:latest`;
      const tag: Tag | undefined = tagOf(to);
      if (tag === undefined || to.repository === "") return undefined;
      const host = source.kind === "docker" ? `${source.shownHost}/` : "";
      return `${host}${to.repository}:${tag}`;
    },
  };
}
