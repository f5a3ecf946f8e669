import { imageAt } from "./content.ts";

/**
 * What a registry should do, in the fewest words: the reference that Berth is held against. Blobs and images are indexes
 * into the stock of content.ts.
 */

export interface RepositoryState {
  readonly immutable: boolean;
  readonly links: readonly number[];
  /** Those of the links that nobody has needed for the time of grace: a collection may take them, or not. */
  readonly due?: readonly number[];
  readonly images: readonly number[];
  readonly tags: Readonly<Record<string, number>>;
  /** Oldest first, as `from>to`. */
  readonly history: Readonly<Record<string, readonly string[]>>;
}

export type State = Readonly<Record<string, RepositoryState>>;

export type Operation =
  | { readonly kind: "createRepository"; readonly repository: string; readonly immutable: boolean }
  | { readonly kind: "deleteRepository"; readonly repository: string; readonly force: boolean }
  | {
      readonly kind: "push";
      readonly repository: string;
      readonly blob: number;
      /** `lie`: under another blob's digest. `break`: the bytes end in an error. */
      readonly how: "honest" | "lie" | "break";
    }
  | { readonly kind: "begin"; readonly repository: string; readonly blob: number; readonly slot: number }
  | { readonly kind: "append"; readonly slot: number; readonly sizeBytes: number; readonly how: "honest" | "break" }
  | { readonly kind: "complete"; readonly slot: number; readonly how: "honest" | "lie" }
  | { readonly kind: "cancel"; readonly slot: number }
  | { readonly kind: "mount"; readonly repository: string; readonly blob: number; readonly from?: string }
  | { readonly kind: "put"; readonly repository: string; readonly image: number; readonly tags: readonly string[] }
  | { readonly kind: "deleteTag"; readonly repository: string; readonly tag: string }
  | { readonly kind: "deleteImage"; readonly repository: string; readonly image: number }
  | { readonly kind: "deleteByApi"; readonly repository: string; readonly image?: number; readonly tag?: string }
  | { readonly kind: "deleteBlob"; readonly repository: string; readonly blob: number }
  | { readonly kind: "pull"; readonly repository: string; readonly image: number }
  /** Whether the blob is there, before it is pushed: whoever hears that it is relies on it. */
  | { readonly kind: "ask"; readonly repository: string; readonly blob: number }
  | { readonly kind: "flushPullTimes" }
  | { readonly kind: "expireUploads" }
  | { readonly kind: "collect" }
  | { readonly kind: "sweep" };

export type Kind = Operation["kind"];

/** What an upload slot was begun for; other operations name only the slot. */
export interface SlotFacts {
  readonly repository: string;
  readonly blob: number;
}

export interface Applied {
  readonly state: State;
  /** `ok`, or the code of the refusal. */
  readonly answer: string;
}

export const emptyRepository: RepositoryState = { immutable: false, links: [], images: [], tags: {}, history: {} };

/** The repository that an operation changes or reads, if it is one. */
export function repositoryOf(operation: Operation, slots: ReadonlyMap<number, SlotFacts>): string | undefined {
  if ("repository" in operation) return operation.repository;
  return "slot" in operation ? slots.get(operation.slot)?.repository : undefined;
}

export function apply(state: State, operation: Operation, slots: ReadonlyMap<number, SlotFacts>): Applied {
  const name = repositoryOf(operation, slots);
  if (name === undefined) return { state, answer: "ok" };
  const present = state[name];
  if (operation.kind === "createRepository") {
    if (present) return { state, answer: "RepositoryAlreadyExists" };
    return { state: { ...state, [name]: { ...emptyRepository, immutable: operation.immutable } }, answer: "ok" };
  }
  if (!present) return { state, answer: "RepositoryNotFound" };
  if (operation.kind === "deleteRepository") {
    if (!operation.force && present.images.length > 0) return { state, answer: "RepositoryNotEmpty" };
    const { [name]: _, ...others } = state;
    return { state: others, answer: "ok" };
  }
  const changed = change(present, operation, slots, state);
  return typeof changed === "string"
    ? { state, answer: changed }
    : { state: changed === present ? state : { ...state, [name]: changed }, answer: "ok" };
}

/** The repository after the operation, or the code of the refusal. */
function change(
  repository: RepositoryState,
  operation: Operation,
  slots: ReadonlyMap<number, SlotFacts>,
  state: State,
): RepositoryState | string {
  switch (operation.kind) {
    case "push":
      if (operation.how === "lie") return "LayerDigestMismatch";
      if (operation.how === "break") return "UploadInterrupted";
      return linked(repository, operation.blob);
    case "complete": {
      const slot = slots.get(operation.slot);
      if (operation.how === "lie" || !slot) return "LayerDigestMismatch";
      return linked(repository, slot.blob);
    }
    case "mount": {
      const sources = operation.from === undefined ? Object.values(state) : [state[operation.from]];
      const isThere = sources.some((source) =>
        source?.images.some((image) => imageAt(image).layers.includes(operation.blob)),
      );
      return isThere ? linked(repository, operation.blob) : "NotMounted";
    }
    case "put":
      return put(repository, operation);
    case "deleteTag":
      return operation.tag in repository.tags ? withoutTag(repository, operation.tag) : "ImageNotFound";
    case "deleteImage":
      return withoutImage(repository, operation.image);
    case "deleteByApi":
      return deleteByApi(repository, operation);
    case "deleteBlob": {
      const { blob } = operation;
      if (!repository.links.includes(blob)) return "LayerNotFound";
      if (repository.images.some((image) => imageAt(image).layers.includes(blob))) return "LayerReferenced";
      return { ...repository, links: repository.links.filter((link) => link !== blob) };
    }
    case "ask":
      return repository.links.includes(operation.blob) ? linked(repository, operation.blob) : "LayerNotFound";
    case "pull":
      return repository.images.includes(operation.image) ? repository : "ImageNotFound";
    default:
      return repository;
  }
}

/** The link is there, and its time of grace begins anew. */
function linked(repository: RepositoryState, blob: number): RepositoryState {
  if (!repository.links.includes(blob)) return { ...repository, links: [...repository.links, blob] };
  if (!repository.due?.includes(blob)) return repository;
  return { ...repository, due: repository.due.filter((each) => each !== blob) };
}

/** What a collection does to one link, if it may. */
export function collected(state: State, name: string, blob: number): State | undefined {
  const repository = state[name];
  if (!repository?.links.includes(blob) || !repository.due?.includes(blob)) return undefined;
  return { ...state, [name]: { ...repository, links: repository.links.filter((link) => link !== blob) } };
}

function put(before: RepositoryState, { image, tags }: Operation & { kind: "put" }): RepositoryState | string {
  const { layers, children } = imageAt(image);
  if (!layers.every((layer) => before.links.includes(layer))) return "LayersNotFound";
  if (!children.every((child) => before.images.includes(child))) return "ReferencedImagesNotFound";
  const held = layers.reduce(linked, before);
  let after = held.images.includes(image) ? held : { ...held, images: [...held.images, image] };
  for (const tag of tags) {
    const from = after.tags[tag];
    if (from !== undefined && after.immutable) return "ImageTagImmutable";
    if (from === image) continue;
    after = { ...moved(after, tag, from, image), tags: { ...after.tags, [tag]: image } };
  }
  return after;
}

function moved(repository: RepositoryState, tag: string, from: number | undefined, to: number | undefined) {
  const history = [...(repository.history[tag] ?? []), `${from ?? ""}>${to ?? ""}`];
  return { ...repository, history: { ...repository.history, [tag]: history } };
}

function withoutTag(repository: RepositoryState, tag: string): RepositoryState {
  const { [tag]: from, ...tags } = repository.tags;
  return { ...moved(repository, tag, from, undefined), tags };
}

function tagsOf(repository: RepositoryState, image: number): string[] {
  return Object.keys(repository.tags).filter((tag) => repository.tags[tag] === image);
}

const isChild = (repository: RepositoryState, image: number) =>
  repository.images.some((parent) => imageAt(parent).children.includes(image));

function withoutImage(repository: RepositoryState, image: number): RepositoryState | string {
  if (!repository.images.includes(image)) return "ImageNotFound";
  if (isChild(repository, image)) return "ImageReferenced";
  const untagged = tagsOf(repository, image).reduce(withoutTag, repository);
  return { ...untagged, images: untagged.images.filter((other) => other !== image) };
}

function deleteByApi(
  repository: RepositoryState,
  { image, tag }: Operation & { kind: "deleteByApi" },
): RepositoryState | string {
  if (tag === undefined) return withoutImage(repository, image ?? -1);
  const tagged = repository.tags[tag];
  if (tagged === undefined || (image !== undefined && image !== tagged)) return "ImageNotFound";
  if (image !== undefined) return withoutImage(repository, image);
  const isLast = tagsOf(repository, tagged).length === 1;
  return isLast && !isChild(repository, tagged) ? withoutImage(repository, tagged) : withoutTag(repository, tag);
}

/** Equal texts for equal states. */
export function canonical(state: State): string {
  return JSON.stringify(
    sortedKeys(state).map((name) => {
      const { immutable, links, images, tags, history } = state[name] ?? emptyRepository;
      const moves = sortedKeys(history).map((tag) => [tag, history[tag]]);
      const current = sortedKeys(tags).map((tag) => [tag, tags[tag]]);
      return [name, immutable, sorted(links), sorted(images), current, moves];
    }),
  );
}

const sortedKeys = (record: object) => Object.keys(record).sort();
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
