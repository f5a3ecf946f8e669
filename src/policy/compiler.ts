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
 */
export function createPolicyCompiler(maxEntries: number): PolicyCompiler {
  // By the text alone first: whoever asks often has the same string, whose hash is known.
  const known = new Map<string, Map<string, CompiledPolicy>>();
  return {
    compile(text, source, options = {}) {
      const variants = known.get(text) ?? new Map<string, CompiledPolicy>();
      const variant = variantOf(source, options);
      const compiled = variants.get(variant) ?? compilePolicy(text, source, options);
      keepLatest(variants, variant, compiled, maxVariants);
      keepLatest(known, text, variants, maxEntries);
      return compiled.source.name === source.name ? compiled : { ...compiled, source };
    },
  };
}

/** A Map goes by the order in which keys came, so its first is the one that was not asked for the longest. */
function keepLatest<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

function variantOf({ kind }: PolicySource, { bindings }: CompileOptions): string {
  if (!bindings || bindings.size === 0) return kind;
  return kind + JSON.stringify([...bindings].sort(([one], [other]) => (one < other ? -1 : 1)));
}
