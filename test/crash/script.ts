import { strayAfterMs } from "../../src/domain/registry/collection.ts";
import { createRandom, type Random } from "../support/random.ts";
import { blobs, imageAt, images, largeBlob, tags } from "./content.ts";
import type { Fault, Moment } from "./faults.ts";
import { apply, type Kind, type Operation, type SlotFacts, type State } from "./model.ts";
import { graceMs } from "./perform.ts";

/**
 * What one run did, as plain data, so that it can be told again with parts left out: only names and digests are in it.
 */
export interface Script {
  readonly seed: string;
  readonly lives: readonly (Life & { readonly waves: readonly Wave[] })[];
}

/** From one start of the process to the next. */
export interface Life {
  /** Where it crashes, if it comes that far; else it crashes after its last wave. */
  readonly crash: Moment;
  readonly faults: readonly Fault[];
  /** `stop` ends it in peace, unless it has crashed. */
  readonly ending: "kill" | "power" | "stop";
  /** Whether the next life begins with a start of its own, or goes on with the stores that were opened for the checks. */
  readonly startsAgain: boolean;
}

/** Operations that run at once. */
export interface Wave {
  /** How much time passes before it. */
  readonly afterMs: number;
  /** By how much the operations begin one after the other. */
  readonly rhythm: string;
  readonly operations: readonly Operation[];
  /** Bytes that the blob disk has left meanwhile; the database cannot grow at all. */
  readonly freeBytes?: number;
}

/** What is there before a wave. */
export interface Situation {
  readonly state: State;
  isOpen(slot: number): boolean;
}

/** Says what happens next. */
export interface Director {
  readonly seed: string;
  /** Every upload that was begun so far, by its slot. */
  readonly slots: ReadonlyMap<number, SlotFacts>;
  /** `undefined` when the run is over. */
  nextLife(): Life | undefined;
  /** `undefined` when the life is over. */
  nextWave(situation: Situation): Wave | undefined;
}

export interface Bounds {
  readonly lives: number;
  readonly waves: number;
  /** Kinds that the place of the run cannot do. */
  readonly without?: readonly Kind[];
}

export const usualBounds: Bounds = { lives: 8, waves: 16 };

const repositories = ["library/app", "team/web", "mirror"];
/** About so many steps belong to a wave. A crash is laid where the life is likely to come. */
const stepsOfWave = 32;

/**
 * Makes it up as it goes: what it chooses fits what is there.
 * @param slots uploads that were begun before the run
 */
export function improvise(
  seed: string,
  bounds: Bounds = usualBounds,
  slots: Map<number, SlotFacts> = new Map(),
): Director {
  const random = createRandom(seed);
  const plot = createPlot(random, slots, bounds);
  let lives = 1 + random.below(bounds.lives);
  let waves = 0;
  return {
    seed,
    slots,
    nextLife() {
      if (lives-- === 0) return undefined;
      waves = 1 + random.below(bounds.waves);
      return writeLife(random, waves * stepsOfWave);
    },
    nextWave(situation) {
      return waves-- === 0 ? undefined : writeWave(random, plot, situation);
    },
  };
}

/** Tells a script again. */
export function replay(script: Script): Director {
  const slots = new Map<number, SlotFacts>();
  const lives = script.lives.values();
  let waves: Iterator<Wave> = [].values();
  return {
    seed: script.seed,
    slots,
    nextLife() {
      const life = lives.next().value;
      waves = (life?.waves ?? []).values();
      return life;
    },
    nextWave() {
      const wave: Wave | undefined = waves.next().value;
      for (const operation of wave?.operations ?? []) {
        if (operation.kind === "begin") slots.set(operation.slot, operation);
      }
      return wave;
    },
  };
}

/** Passes on what the director says, and keeps it. */
export function recorded(director: Director): Director & { readonly script: Script } {
  const lives: (Life & { readonly waves: Wave[] })[] = [];
  return {
    ...director,
    script: { seed: director.seed, lives },
    nextLife() {
      const life = director.nextLife();
      if (life) lives.push({ ...life, waves: [] });
      return life;
    },
    nextWave(situation) {
      const wave = director.nextWave(situation);
      if (wave) lives.at(-1)?.waves.push(wave);
      return wave;
    },
  };
}

function writeLife(random: Random, steps: number): Life {
  const moment = (): Moment => ({ step: 1 + random.below(steps), when: random.pick(["before", "after"]) });
  const faultCount = random.weighted([
    [5, 0],
    [3, 1],
    [2, 3],
  ] as const);
  const faults = Array.from({ length: faultCount }, () => ({
    ...moment(),
    code: random.pick(["ENOSPC", "EIO"] as const),
  }));
  const ending = random.weighted([
    [4, "kill"],
    [5, "power"],
    [1, "stop"],
  ] as const);
  const crash = ending === "stop" ? { step: Number.MAX_SAFE_INTEGER, when: "before" as const } : moment();
  return { crash, faults, ending, startsAgain: random.chance(0.5) };
}

/** Some are longer than the time of grace, and a few longer than a copy may be without a name. */
const pauses = [
  [20, 1_000],
  [2, 70_000],
  [3, graceMs + 10_000],
  [1, strayAfterMs + graceMs],
] as const;

function writeWave(random: Random, plot: Plot, situation: Situation): Wave {
  const size = random.weighted([
    [3, 1],
    [3, 2],
    [3, 3],
    [2, 4],
    [1, 5],
  ] as const);
  plot.beginWave(situation);
  const afterMs = random.weighted(pauses);
  const operations = Array.from({ length: size }, () => plot.next());
  // After a long pause there is something to take.
  if (afterMs > 1_000 && random.chance(0.6)) operations.push(...plot.meeting());
  const rhythm = String(random.below(1_000_000));
  return { operations, afterMs, rhythm, freeBytes: random.chance(0.04) ? random.below(30_000) : undefined };
}

type Plot = ReturnType<typeof createPlot>;

/** Chooses what makes sense where everything before it in the wave succeeds. */
function createPlot(random: Random, slots: Map<number, SlotFacts>, { without = [] }: Bounds) {
  let state: State = {};
  let openSlots: number[] = [];
  let busySlots = new Set<number>();

  const repository = () => random.pick(repositories);
  const blob = () => (random.chance(0.02) ? largeBlob : random.below(blobs.length - 1));
  const tag = () => random.pick(tags);
  const image = () => random.below(images.length);
  const heldImage = (name: string) => {
    const held = state[name]?.images ?? [];
    return held.length > 0 && random.chance(0.85) ? random.pick(held) : image();
  };
  const heldTag = (name: string) => {
    const held = Object.keys(state[name]?.tags ?? {});
    return held.length > 0 && random.chance(0.85) ? random.pick(held) : tag();
  };
  /** An upload that no other operation of the wave uses; now and then one that another does. */
  const slot = () => {
    const free = openSlots.filter((open) => !busySlots.has(open) || random.chance(0.03));
    return free.length > 0 ? random.pick(free) : undefined;
  };
  /** A blob that no image of the repository needs, so that a collection may be about to take it. */
  const waiting = (name: string) => {
    const needed = state[name]?.images.flatMap((index) => imageAt(index).layers);
    const held = (state[name]?.links ?? []).filter((link) => !needed?.includes(link));
    return held.length > 0 ? random.pick(held) : blob();
  };
  const push = (name: string, index: number): Operation => ({
    kind: "push",
    repository: name,
    blob: index,
    how: random.weighted([
      [18, "honest"],
      [1, "lie"],
      [1, "break"],
    ] as const),
  });
  const begin = (name: string): Operation => ({ kind: "begin", repository: name, blob: blob(), slot: slots.size });

  /** An image with its blobs, in the order in which a client pushes them: whatever is missing first. */
  function put(name: string, index: number): Operation {
    const held = state[name];
    const { layers, children } = imageAt(index);
    const missingLayer = layers.find((layer) => !held?.links.includes(layer));
    const missingChild = children.find((child) => !held?.images.includes(child));
    if (missingLayer !== undefined && random.chance(0.9)) return push(name, missingLayer);
    if (missingChild !== undefined && random.chance(0.9)) return put(name, missingChild);
    const chosen = tags.filter(() => random.chance(0.3));
    return { kind: "put", repository: name, image: index, tags: chosen };
  }

  const byKind: Record<Kind, (name: string) => Operation> = {
    createRepository: (name) => ({ kind: "createRepository", repository: name, immutable: random.chance(0.2) }),
    deleteRepository: (name) => ({ kind: "deleteRepository", repository: name, force: random.chance(0.6) }),
    push: (name) => push(name, random.chance(0.3) ? waiting(name) : blob()),
    begin,
    append(name) {
      const chosen = slot();
      if (chosen === undefined) return begin(name);
      const how = random.chance(0.1) ? "break" : "honest";
      const size = blobs[slots.get(chosen)?.blob ?? 0]?.bytes.length ?? 0;
      return { kind: "append", slot: chosen, sizeBytes: Math.ceil(size * random.pick([0, 0.2, 0.5, 1])), how };
    },
    complete(name) {
      const chosen = slot();
      if (chosen === undefined) return begin(name);
      return { kind: "complete", slot: chosen, how: random.chance(0.05) ? "lie" : "honest" };
    },
    cancel(name) {
      const chosen = slot();
      return chosen === undefined ? begin(name) : { kind: "cancel", slot: chosen };
    },
    mount(name) {
      const from = random.chance(0.6) ? repository() : undefined;
      const pushed = (from === undefined ? undefined : state[from])?.images ?? [];
      const held = pushed.flatMap((index) => imageAt(index).layers);
      return { kind: "mount", repository: name, blob: held.length > 0 ? random.pick(held) : blob(), from };
    },
    put: (name) => put(name, random.chance(0.15) ? heldImage(name) : image()),
    deleteTag: (name) => ({ kind: "deleteTag", repository: name, tag: heldTag(name) }),
    deleteImage: (name) => ({ kind: "deleteImage", repository: name, image: heldImage(name) }),
    deleteByApi(name) {
      const what = random.pick(["tag", "image", "both"] as const);
      if (what === "image") return { kind: "deleteByApi", repository: name, image: heldImage(name) };
      const chosen = heldTag(name);
      const tagged = what === "both" ? (state[name]?.tags[chosen] ?? image()) : undefined;
      return { kind: "deleteByApi", repository: name, tag: chosen, image: tagged };
    },
    deleteBlob(name) {
      const held = state[name]?.links ?? [];
      return { kind: "deleteBlob", repository: name, blob: held.length > 0 ? random.pick(held) : blob() };
    },
    pull: (name) => ({ kind: "pull", repository: name, image: heldImage(name) }),
    ask: (name) => ({ kind: "ask", repository: name, blob: waiting(name) }),
    collect: () => ({ kind: "collect" }),
    sweep: () => ({ kind: "sweep" }),
    flushPullTimes: () => ({ kind: "flushPullTimes" }),
    expireUploads: () => ({ kind: "expireUploads" }),
  };
  const weights: Record<Kind, number> = {
    createRepository: 3,
    deleteRepository: 2,
    push: 10,
    begin: 8,
    append: 12,
    complete: 11,
    cancel: 2,
    mount: 6,
    put: 30,
    deleteTag: 4,
    deleteImage: 4,
    deleteByApi: 4,
    deleteBlob: 3,
    pull: 6,
    ask: 4,
    collect: 9,
    sweep: 3,
    flushPullTimes: 1,
    expireUploads: 2,
  };
  const choices = (Object.keys(byKind) as Kind[])
    .filter((kind) => !without.includes(kind))
    .map((kind) => [weights[kind], kind] as const);

  function choose(): Operation {
    const name = repository();
    const isMissing = state[name] === undefined;
    return byKind[isMissing && random.chance(0.8) ? "createRepository" : random.weighted(choices)](name);
  }

  function follow(operation: Operation): void {
    state = apply(state, operation, slots).state;
    if (!("slot" in operation)) return;
    busySlots.add(operation.slot);
    if (operation.kind === "begin") slots.set(operation.slot, operation);
  }

  return {
    /** A collection, and somebody who comes for what it may take. */
    meeting(): Operation[] {
      const name = random.pick(Object.keys(state).length > 0 ? Object.keys(state) : repositories);
      const wanted = waiting(name);
      const comes: Operation = random.chance(0.5)
        ? push(name, wanted)
        : { kind: "ask", repository: name, blob: wanted };
      return [{ kind: "collect" }, comes];
    },
    next(): Operation {
      const operation = choose();
      follow(operation);
      return operation;
    },
    beginWave(situation: Situation): void {
      state = situation.state;
      busySlots = new Set();
      // Now and then an upload is spoken to after its end.
      openSlots = [...slots.keys()].filter((each) => situation.isOpen(each) || random.chance(0.02));
    },
  };
}
