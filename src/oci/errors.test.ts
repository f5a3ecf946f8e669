import { expect, test } from "bun:test";
import { KeeperFailed } from "../domain/keys/keepers.ts";
import { encodeError } from "./errors.ts";

test("a keeper of the master key that does not answer is told apart, and where it is stays in the log", async () => {
  const logged: unknown[] = [];
  const log = { error: ({ error }: { error: unknown }) => void logged.push(error) };
  const answerTo = (error: unknown) => encodeError(error, { origin: "http://localhost" }, "id", log);
  const away = new KeeperFailed("Vault at https://vault.internal does not answer decrypt", true);
  const answer = answerTo(away);
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
  const text = await answer.text();
  expect(text).toContain("The service that holds the server's master key does not answer");
  expect(text).not.toContain("vault");
  const refused = answerTo(
    new KeeperFailed("Vault at https://vault.internal refused decrypt: permission denied", false),
  );
  expect([refused.status, (await refused.text()).includes("permission")]).toEqual([500, false]);
  expect(logged.length).toBe(2);
});
