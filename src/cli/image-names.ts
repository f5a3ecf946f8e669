import { CommandFailed } from "./failure.ts";

export interface NamedImage {
  readonly repositoryName: string;
  readonly imageId: { readonly imageTag: string } | { readonly imageDigest: string };
}

/** `REPOSITORY:TAG` or `REPOSITORY@DIGEST`. What a repository, a tag or a digest may be, the server knows. */
export function imageNamed(text: string): NamedImage {
  const [, repositoryName, separator, rest] = /^([^:@]+)([:@])(.+)$/.exec(text) ?? [];
  if (repositoryName === undefined || rest === undefined) {
    throw new CommandFailed(`given "${text}"; allowed: REPOSITORY:TAG or REPOSITORY@DIGEST`);
  }
  return { repositoryName, imageId: separator === ":" ? { imageTag: rest } : { imageDigest: rest } };
}

export function nameOf(repositoryName: string, { imageTag, imageDigest }: { imageTag?: string; imageDigest?: string }) {
  return imageTag === undefined ? `${repositoryName}@${imageDigest}` : `${repositoryName}:${imageTag}`;
}
