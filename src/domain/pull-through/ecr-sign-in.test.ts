import { expect, test } from "bun:test";
import { ecrCredentials } from "./ecr-sign-in.ts";

const host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const hour = 3_600_000;

function signIn(given: { user: string; password: string }) {
  const state = { now: 0, given, asked: [] as string[] };
  const credentials = ecrCredentials(host, async () => state.given, {
    clock: () => new Date(state.now),
    async ecrTokens(region, { accessKeyId, secretAccessKey }) {
      state.asked.push(`${region} ${accessKeyId} ${secretAccessKey}`);
      const password = `token ${state.asked.length}`;
      return { user: "AWS", password, expiresAt: new Date(state.now + 12 * hour) };
    },
  });
  return Object.assign(state, { read: async (again = false) => (await credentials.read({ again }))?.password });
}

test("a key pair is exchanged for a password, which is used until it is about to end", async () => {
  const state = signIn({ user: "AKIAEXAMPLE", password: "secret" });
  expect([await state.read(), await state.read()]).toEqual(["token 1", "token 1"]);
  state.now = 12 * hour - 11 * 60_000;
  expect(await state.read()).toBe("token 1");
  state.now = 12 * hour - 9 * 60_000;
  expect(await state.read()).toBe("token 2");
  expect(state.asked).toEqual(Array(2).fill("eu-west-1 AKIAEXAMPLE secret"));
});

test("it is exchanged again when it was refused, and when the secret has another", async () => {
  const state = signIn({ user: "AKIAEXAMPLE", password: "secret" });
  await state.read();
  expect(await state.read(true)).toBe("token 2");
  state.given = { user: "AKIAOTHER", password: "other" };
  expect(await state.read()).toBe("token 3");
  expect(state.asked.at(-1)).toBe("eu-west-1 AKIAOTHER other");
});

test("a password of ECR is taken as it is", async () => {
  const state = signIn({ user: "AWS", password: "token of ECR" });
  expect([await state.read(), state.asked]).toEqual(["token of ECR", []]);
});
