import { CommandFailed } from "../failure.ts";
import { type ImageName, tagOf } from "./places.ts";

/** Which of many images are meant. */
export type Filter = (image: ImageName) => boolean;

const maxPatternLength = 512;

/**
 * Patterns are `REPOSITORY:TAG`; a part that is left out means any. Without a colon it is the repository, or the tag where
 * there is one repository alone. `*` stands for any characters, slashes too, `?` for one.
 * @param oneRepository whether all images are of one
 * @throws CommandFailed
 */
export function createFilter(
  { include, exclude }: { include: readonly string[]; exclude: readonly string[] },
  oneRepository: boolean,
): Filter {
  const included = include.map((pattern) => compile(pattern, oneRepository, "--include"));
  const excluded = exclude.map((pattern) => compile(pattern, oneRepository, "--exclude"));
  return (image) => (included.length === 0 || included.some((is) => is(image))) && !excluded.some((is) => is(image));
}

/** Whether no image of the repository can be meant, so that its tags need not be listed. */
export function createRepositoryFilter(patterns: { include: readonly string[]; exclude: readonly string[] }) {
  const include = patterns.include.map((pattern) => wildcard(pattern.split(":")[0] ?? ""));
  const exclude = patterns.exclude.flatMap((pattern) => (pattern.includes(":") ? [] : [wildcard(pattern)]));
  return (repository: string) =>
    (include.length === 0 || include.some((is) => is(repository))) && !exclude.some((is) => is(repository));
}

function compile(pattern: string, oneRepository: boolean, option: string): Filter {
  const colon = pattern.indexOf(":");
  const allowed =
    /^[\w.*?/+:-]+$/.test(pattern) && pattern.length <= maxPatternLength && colon === pattern.lastIndexOf(":");
  if (!allowed || pattern === ":") {
    throw new CommandFailed(
      `${option}: given "${pattern}"; allowed: REPOSITORY:TAG with * and ?, or one of the two (:TAG)`,
    );
  }
  const [repositoryPattern, tagPattern] =
    colon >= 0 ? [pattern.slice(0, colon), pattern.slice(colon + 1)] : oneRepository ? ["", pattern] : [pattern, ""];
  const [isRepository, isTag] = [wildcard(repositoryPattern), wildcard(tagPattern)];
  return (image) => isRepository(image.repository) && isTag(tagOf(image) ?? "");
}

/** Compares from left to right and never tries more than one place for a star again, so that no pattern is slow. */
export function wildcard(pattern: string): (text: string) => boolean {
  if (pattern === "" || /^\*+$/.test(pattern)) return () => true;
  return (text) => {
    let [at, inPattern] = [0, 0];
    let star = -1;
    let retry = 0;
    while (at < text.length) {
      if (pattern[inPattern] === "*") {
        star = inPattern++;
        retry = at;
      } else if (pattern[inPattern] === "?" || pattern[inPattern] === text[at]) {
        inPattern++;
        at++;
      } else if (star >= 0) {
        inPattern = star + 1;
        at = ++retry;
      } else return false;
    }
    while (pattern[inPattern] === "*") inPattern++;
    return inPattern === pattern.length;
  };
}
