/** Each command loads only what it needs: Docker waits for the credential helper at every pull. */
export function lazily<Name extends string, Module extends Record<Name, (...args: never[]) => void | Promise<void>>>(
  load: () => Promise<Module>,
  name: Name,
) {
  return async (...args: Parameters<Module[Name]>): Promise<void> => (await load())[name](...args);
}
