import { type Ask, allOf, berthApi } from "./berth-api.ts";
import { CommandFailed } from "./failure.ts";
import { imageNamed } from "./image-names.ts";
import { printTable } from "./table.ts";
import { count, printable, size } from "./text.ts";
import { isoTime } from "./times.ts";

/** `berth undelete …`: brings back what was deleted. */

interface Options {
  readonly config?: string;
  readonly list?: boolean;
  readonly tags: boolean;
  readonly json?: boolean;
}

interface Deletion {
  readonly deletedAt: number;
  readonly deletedBy: string;
  readonly keptUntil: number;
}

interface DeletedImage extends Deletion {
  readonly imageDigest: string;
  readonly imageTags: readonly string[];
  readonly imagePushedAt: number;
  readonly imageSizeInBytes: number;
}

interface DeletedRepository extends Deletion {
  readonly repositoryName: string;
}

interface Returned {
  readonly imageDigest: string;
  readonly imageTags: readonly string[];
  readonly takenTags: readonly string[];
}

export async function undelete(name: string | undefined, { config, list, tags, json }: Options): Promise<void> {
  if (name === undefined && !list) throw new CommandFailed("say what to bring back: REPOSITORY@DIGEST or REPOSITORY");
  const ask = await berthApi(config);
  if (list) return name === undefined ? listRepositories(ask, json) : listImages(ask, name, json);
  return name?.includes("@") ? undeleteImage(ask, name, tags, json) : undeleteRepository(ask, name as string, json);
}

async function undeleteImage(ask: Ask, name: string, withTags: boolean, json?: boolean): Promise<void> {
  const { repositoryName, imageId } = imageNamed(name);
  const { images } = await ask<{ images: Returned[] }>("UndeleteImage", { repositoryName, ...imageId, withTags });
  if (json) return console.log(JSON.stringify(images));
  printTable(
    ["image", "tags", "tags that others have"],
    images.map(({ imageDigest, imageTags, takenTags }) => [imageDigest, imageTags.join(" "), takenTags.join(" ")]),
  );
  console.log(`${count(images.length, "image")} brought back`);
}

async function undeleteRepository(ask: Ask, repositoryName: string, json?: boolean): Promise<void> {
  await ask("UndeleteRepository", { repositoryName });
  if (json) console.log(JSON.stringify({ repositoryName }));
  else console.log(printable(`${repositoryName} is back`));
}

async function listImages(ask: Ask, repositoryName: string, json?: boolean): Promise<void> {
  const images: DeletedImage[] = [];
  const pages = allOf<DeletedImage>(ask, "ListDeletedImages", { repositoryName }, (page) => page.images);
  for await (const image of pages) images.push(image);
  if (json) {
    const shown = images.map((image) => ({ ...inJson(image), imagePushedAt: isoTime(image.imagePushedAt) }));
    return console.log(JSON.stringify(shown));
  }
  const rows = images.map((image) => {
    const { imageDigest, imageTags, imageSizeInBytes, deletedAt, deletedBy, keptUntil } = image;
    return [
      imageDigest,
      imageTags.join(" "),
      size(imageSizeInBytes),
      isoTime(deletedAt),
      deletedBy,
      isoTime(keptUntil),
    ];
  });
  printTable(["image", "tags", "size", "deleted", "by", "until"], rows);
  if (rows.length === 0) console.log("nothing can be brought back");
}

async function listRepositories(ask: Ask, json?: boolean): Promise<void> {
  const repositories: DeletedRepository[] = [];
  const pages = allOf<DeletedRepository>(ask, "ListDeletedRepositories", {}, (page) => page.repositories);
  for await (const repository of pages) repositories.push(repository);
  if (json) return console.log(JSON.stringify(repositories.map(inJson)));
  const rows = repositories.map(({ repositoryName, deletedAt, deletedBy, keptUntil }) => {
    return [repositoryName, isoTime(deletedAt), deletedBy, isoTime(keptUntil)];
  });
  printTable(["repository", "deleted", "by", "until"], rows);
  if (rows.length === 0) console.log("nothing can be brought back");
}

function inJson<Some extends Deletion>(deleted: Some) {
  return { ...deleted, deletedAt: isoTime(deleted.deletedAt), keptUntil: isoTime(deleted.keptUntil) };
}
