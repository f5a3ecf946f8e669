import type { Challenge } from "./challenges.ts";

/** Shared by all that are opened: tokens are good for whoever has the same credentials. */
export interface SignInMemory {
  readonly challenges: Remembered<Challenge>;
  readonly tokens: Remembered<Token>;
}

export interface Token {
  readonly value: string;
  readonly expiresAt: number;
}

export interface Remembered<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
}

/** Beyond `max` the one that was not asked for longest is forgotten. */
function remembering<Value>(max: number): Remembered<Value> {
  const entries = new Map<string, Value>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value === undefined) return undefined;
      entries.delete(key);
      entries.set(key, value);
      return value;
    },
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > max) entries.delete(entries.keys().next().value ?? "");
    },
    delete: (key) => void entries.delete(key),
  };
}

export const rememberSignIns = (): SignInMemory => ({
  challenges: remembering<Challenge>(1_000),
  tokens: remembering<Token>(10_000),
});
