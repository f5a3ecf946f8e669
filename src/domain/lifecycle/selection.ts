import type { Part } from "../../policy/template.ts";
import { compileMatcher } from "../../policy/wildcards.ts";
import type { TagSelection } from "./types.ts";

export type TagTest = (tags: readonly string[]) => boolean;

/** Whether an image is meant, by its tags: each entry of a list must be met by some tag, not all by the same. */
export function compileSelection({ tagStatus, tagPatternList = [], tagPrefixList = [] }: TagSelection): TagTest {
  switch (tagStatus) {
    case "any":
      return () => true;
    case "untagged":
      return (tags) => tags.length === 0;
    case "tagged": {
      const patterns = [...new Set(tagPatternList)].map(patternTest);
      const prefixes = [...new Set(tagPrefixList)].map((prefix) => (tag: string) => tag.startsWith(prefix));
      const tests = [...patterns, ...prefixes];
      // A list without entries asks for nothing, and would mean everything; no policy that was checked has one.
      return (tags) => tests.length > 0 && tests.every((test) => tags.some(test));
    }
  }
}

const noContext = new Map<string, string>();

/** `*` stands for any run of characters, also none; everything else, `?` among it, for itself. */
function patternTest(pattern: string): (tag: string) => boolean {
  const parts = pattern.split("*").flatMap((text, index): Part[] => {
    const literal: Part[] = text === "" ? [] : [{ kind: "text", text }];
    return index === 0 ? literal : [{ kind: "any" }, ...literal];
  });
  const matches = compileMatcher(parts);
  return (tag) => matches(tag, noContext);
}
