import type { Digest } from "../../domain/names.ts";
import type { RemoteDescriptor } from "../../domain/registry/remote-registry.ts";
import { isObject } from "./layout-index.ts";

type Listed = RemoteDescriptor & { readonly bytes: Uint8Array };

/** So many repositories are remembered: copies come to one after the other. */
const mostRemembered = 16;

/** What refers to what in places that keep no list of it: all manifests of a repository are read once. */
export function createSubjects(list: (repository: string) => AsyncIterable<Listed>) {
  const known = new Map<string, Promise<Map<string, RemoteDescriptor[]>>>();

  async function read(repository: string): Promise<Map<string, RemoteDescriptor[]>> {
    const found = new Map<string, RemoteDescriptor[]>();
    for await (const { bytes, ...descriptor } of list(repository)) {
      const subject = subjectIn(bytes);
      if (subject === undefined) continue;
      const others = found.get(subject) ?? [];
      if (!others.some(({ digest }) => digest === descriptor.digest)) others.push(descriptor);
      found.set(subject, others);
    }
    return found;
  }

  return {
    async of(repository: string, subject: Digest): Promise<readonly RemoteDescriptor[]> {
      let asked = known.get(repository);
      if (!asked) {
        asked = read(repository);
        known.set(repository, asked);
        const [oldest] = known.keys();
        if (known.size > mostRemembered && oldest !== undefined) known.delete(oldest);
      }
      return (await asked).get(subject) ?? [];
    },
  };
}

/** As the manifest itself has it. Whether it is one shows when it is copied. */
function subjectIn(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes);
  if (!text.includes('"subject"')) return undefined;
  try {
    const document: unknown = JSON.parse(text);
    const subject = isObject(document) ? document.subject : undefined;
    return isObject(subject) && typeof subject.digest === "string" ? subject.digest : undefined;
  } catch {
    return undefined;
  }
}
