import { expect, test } from "bun:test";
import type { AccountId, Region } from "../names.ts";
import { rootPrincipal } from "./credentials.ts";
import { createRegistryTokens } from "./registry-tokens.ts";
import { createSealer } from "./sealer.ts";

const region = "eu-west-1" as Region;
const key = { accessKeyId: "AKIAEXAMPLE", longTermKeyId: "AKIAEXAMPLE" };

function world() {
  const state = { now: Date.UTC(2026, 0, 1), alive: true, opened: 0 };
  const sealer = createSealer(new Uint8Array(32).fill(1));
  const tokens = createRegistryTokens({
    sealer: {
      ...sealer,
      open(purpose, text) {
        state.opened++;
        return sealer.open(purpose, text);
      },
    },
    credentials: { today: async (principal) => (state.alive ? principal : undefined) },
    clock: () => new Date(state.now),
  });
  const { password } = tokens.issue(rootPrincipal("111122223333" as AccountId), key, region);
  return { state, tokens, password };
}

test("a login token that was opened before is good only as long as it would be without that", async () => {
  const { state, tokens, password } = world();
  const stateOf = async (of = region) => (await tokens.open(password, of)).state;
  expect(await stateOf()).toBe("active");
  expect(await stateOf("us-east-1" as Region)).toBe("foreign");
  state.alive = false;
  expect(await stateOf()).toBe("unknown");
  state.alive = true;
  expect(await stateOf()).toBe("active");
  state.now += 12 * 3600 * 1000;
  expect(await stateOf()).toBe("expired");
  expect(state.opened).toBe(1);
});

test("a token of another kind is no login token, whoever opened it", async () => {
  const { tokens, password } = world();
  await tokens.open(password, region);
  expect((await tokens.openLayer(password)).state).toBe("unknown");
  expect((await tokens.open(`${password.slice(0, -1)}`, region)).state).toBe("unknown");
  expect((await tokens.open(`${password}A`, region)).state).toBe("unknown");
});
