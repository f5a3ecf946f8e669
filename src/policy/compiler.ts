import { type CompiledPolicy, type CompileOptions, compilePolicy, type PolicySource } from "./compile.ts";

export interface PolicyCompiler {
  /** As `compilePolicy`, which it asks only for a text that it has not seen of late. */
  compile(text: string, source: PolicySource, options?: CompileOptions): CompiledPolicy;
}

/** Remembers what it compiled by all that it was compiled from, so what it remembers is never out of date. */
export function createPolicyCompiler(maxEntries: number): PolicyCompiler {
  /** Least recently used first. */
  const known = new Map<string, CompiledPolicy>();
  return {
    compile(text, source, options = {}) {
      const key = keyOf(text, source, options);
      const found = known.get(key);
      if (found) known.delete(key);
      const compiled = found ?? compilePolicy(text, source, options);
      known.set(key, compiled);
      if (known.size > maxEntries) {
        for (const oldest of known.keys()) {
          known.delete(oldest);
          break;
        }
      }
      const isSame = compiled.source.name === source.name;
      return isSame ? compiled : { ...compiled, source };
    },
  };
}

function keyOf(text: string, { kind }: PolicySource, { bindings }: CompileOptions): string {
  if (!bindings || bindings.size === 0) return `${kind}\n\n${text}`;
  const bound = [...bindings].sort(([one], [other]) => (one < other ? -1 : 1));
  return `${kind}\n${JSON.stringify(bound)}\n${text}`;
}
