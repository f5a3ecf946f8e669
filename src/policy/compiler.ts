import { type CompiledPolicy, type CompileOptions, compilePolicy, type PolicySource } from "./compile.ts";

export interface PolicyCompiler {
  /** As `compilePolicy`, which it asks only for a text that it has not seen of late. */
  compile(text: string, source: PolicySource, options?: CompileOptions): CompiledPolicy;
}

/** Of one text: it may hang on many repositories, and name somebody else in each. */
const maxVariants = 16;

/**
 * Remembers what it compiled by all that it was compiled from, so what it remembers is never out of date.
 * @param maxEntries texts
 * @param maxCharacters of all texts, each as often as something was made of it: that can take some 200 bytes a character,
 * and whoever may have a session chooses the text of its policy
 */
export function createPolicyCompiler(maxEntries: number, maxCharacters = 2_000_000): PolicyCompiler {
  // By the text alone first: whoever asks often has the same string, whose hash is known. Oldest first, in both.
  const known = new Map<string, Map<string, CompiledPolicy>>();
  let characters = 0;

  function forgetOldest(): void {
    const [oldest] = known;
    if (!oldest) return;
    const [text, variants] = oldest;
    known.delete(text);
    characters -= text.length * variants.size;
  }

  return {
    compile(text, source, options = {}) {
      const variants = known.get(text) ?? new Map<string, CompiledPolicy>();
      const before = variants.size;
      const variant = variantOf(source, options);
      const compiled = variants.get(variant) ?? compilePolicy(text, source, options);
      keepLatest(variants, variant, compiled);
      if (variants.size > maxVariants) variants.delete(oldestOf(variants));
      keepLatest(known, text, variants);
      characters += text.length * (variants.size - before);
      while (known.size > 1 && (known.size > maxEntries || characters > maxCharacters)) forgetOldest();
      return compiled.source.name === source.name ? compiled : { ...compiled, source };
    },
  };
}

/** A Map goes by the order in which keys came, so its first is the one that was not asked for the longest. */
function keepLatest<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
}

function oldestOf(map: ReadonlyMap<string, unknown>): string {
  for (const oldest of map.keys()) return oldest;
  return "";
}

function variantOf({ kind }: PolicySource, { bindings }: CompileOptions): string {
  if (!bindings || bindings.size === 0) return kind;
  return kind + JSON.stringify([...bindings].sort(([one], [other]) => (one < other ? -1 : 1)));
}
