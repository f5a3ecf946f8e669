import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchGetImageCommand,
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  PutRegistryPolicyCommand,
  SetRepositoryPolicyCommand,
} from "@aws-sdk/client-ecr";
import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { account, digestOf, type InProcess, inProcess, region } from "./support/berth.ts";
import { allow, type Person } from "./support/people.ts";

/**
 * Each question to the database that a request needs is made to fail, one after the other. Whoever is kept out stays out,
 * whichever it is, and is told nothing; whoever may come in gets what is right or an error.
 */

const content = "what nobody else may read";
const layer = digestOf(content);
const arnOf = (name: string) => `arn:aws:ecr:${region}:${account}:repository/${name}`;
const policy = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const secretName = "ecr-pullthroughcache/hub";

const data = mkdtempSync(join(tmpdir(), "berth-closed-"));
afterAll(() => rmSync(data, { recursive: true }));

/** Made in one account; the stranger's is another. */
const people: Record<string, Person> = {};
beforeAll(async () => {
  await using berth = closing(await inProcess({ data }));
  for (const repositoryName of ["app", "shut"]) {
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
    await berth.pushImage(repositoryName, "1", content);
  }
  await berth.client(SecretsManagerClient).send(new CreateSecretCommand({ Name: secretName, SecretString: content }));

  const all = allow("*");
  const kept = (name: string) => ({ AWS: `arn:aws:iam::${account}:user/${name}` });
  const deny = (name: string) => ({ Effect: "Deny", Principal: kept(name), Action: "ecr:*" });
  const denied = { Version: "2012-10-17", Statement: { Effect: "Deny", Action: "*", Resource: "*" } };
  people.allowed = await berth.crowd.user(account, "allowed", all);
  people["nobody allowed"] = await berth.crowd.user(account, "nobody-allowed");
  people["denied by an identity policy"] = await berth.crowd.user(account, "by-identity", all, denied);
  people["denied by the repository"] = await berth.crowd.user(account, "by-repository", all);
  people["denied by the registry"] = await berth.crowd.user(account, "by-registry", all);
  people["of another account"] = await berth.crowd.user("111111111111", "stranger", all);
  const setPolicy = new SetRepositoryPolicyCommand({
    repositoryName: "app",
    policyText: policy(deny("by-repository")),
  });
  await berth.ecr().send(setPolicy);
  const registryPolicy = policy({ ...deny("by-registry"), Resource: arnOf("*") });
  await berth.ecr().send(new PutRegistryPolicyCommand({ policyText: registryPolicy }));
});

const closing = (berth: InProcess) =>
  Object.assign(berth, { [Symbol.asyncDispose]: async () => void (await berth.close()) });

/** What came of a request: whether it was done, and all that was said. */
interface Outcome {
  readonly done: boolean;
  readonly said: string;
}

const host = `${account}.dkr.ecr.${region}.localhost`;
const overHttp =
  (method: string, path: string, body?: string) =>
  async (berth: InProcess, person: Person): Promise<Outcome> => {
    const answer = await berth.ociAs(person, method, path, { headers: { host }, body });
    return { done: answer.ok, said: await answer.text().catch(String) };
  };
const byApi =
  (command: () => object) =>
  async (berth: InProcess, { accessKeyId, secretAccessKey }: Person): Promise<Outcome> => {
    const client = berth.ecr({ credentials: { accessKeyId, secretAccessKey } });
    return client.send(command() as never).then(
      (answer) => ({
        done: ((answer as { failures?: object[] }).failures ?? []).length === 0,
        said: JSON.stringify(answer),
      }),
      (error) => ({ done: false, said: JSON.stringify(error) + String(error) }),
    );
  };

const requests: Record<string, (berth: InProcess, person: Person) => Promise<Outcome>> = {
  "pull of a manifest": overHttp("GET", "/v2/app/manifests/1"),
  "pull of a layer": overHttp("GET", `/v2/app/blobs/${layer}`),
  "list of tags": overHttp("GET", "/v2/app/tags/list"),
  "begin of a push": overHttp("POST", "/v2/app/blobs/uploads/"),
  "delete of a tag": overHttp("DELETE", "/v2/app/manifests/none"),
  BatchGetImage: byApi(
    () => new BatchGetImageCommand({ registryId: account, repositoryName: "app", imageIds: [{ imageTag: "1" }] }),
  ),
  DescribeRepositories: byApi(() => new DescribeRepositoriesCommand({ registryId: account, repositoryNames: ["app"] })),
};

/** Asks of a Berth that remembers nothing, with one question that fails. Answers which questions there were, too. */
async function ask(request: string, person: Person, broken?: string): Promise<Outcome & { questions: Set<string> }> {
  const questions = new Set<string>();
  let isWatching = false;
  const asked = (question: string) => {
    if (!isWatching) return;
    questions.add(question);
    if (question === broken) throw new Error("the database does not answer");
  };
  await using berth = closing(await inProcess({ data, asked }));
  isWatching = true;
  const outcome = await requests[request]?.(berth, person);
  // What is written when it closes is not of the request.
  isWatching = false;
  if (!outcome) throw new Error(request);
  return { ...outcome, questions };
}

describe.each(Object.keys(requests))("S12: %s", (request) => {
  test.each([
    "nobody allowed",
    "denied by an identity policy",
    "denied by the repository",
    "denied by the registry",
    "of another account",
  ])(
    "whoever is kept out stays out, whatever fails: %s",
    async (who) => {
      const person = people[who] as Person;
      const usual = await ask(request, person);
      expect(usual).toMatchObject({ done: false });
      expect(usual.questions.size).toBeGreaterThan(0);
      for (const broken of usual.questions) {
        const { done, said } = await ask(request, person, broken);
        expect({ broken, done }).toEqual({ broken, done: false });
        expect(said).not.toContain(content);
        expect(said).not.toContain(layer);
      }
    },
    60_000,
  );

  test("whoever may come in gets what is right, or an error", async () => {
    const usual = await ask(request, people.allowed as Person);
    expect(usual.done).toBe(request !== "delete of a tag");
    let failed = 0;
    for (const broken of usual.questions) {
      const { done, said } = await ask(request, people.allowed as Person, broken);
      if (!done) failed++;
      else if (/pull|list|BatchGetImage|Describe/.test(request)) expect(said).toBe(usual.said);
    }
    expect(failed).toBeGreaterThan(0);
  }, 60_000);
});

describe("S12: a secret", () => {
  const read = (berth: InProcess, { accessKeyId, secretAccessKey }: Person) =>
    berth
      .client(SecretsManagerClient, { credentials: { accessKeyId, secretAccessKey } })
      .send(new GetSecretValueCommand({ SecretId: secretName }))
      .then(
        ({ SecretString }) => SecretString,
        (error) => String(error),
      );

  test.each(["nobody allowed", "denied by an identity policy", "of another account"])(
    "is not read, whatever fails: %s",
    async (who) => {
      const questions = new Set<string>();
      for (let broken: string | undefined = ""; broken !== undefined; ) {
        const failing: string = broken;
        let isWatching = false;
        const asked = (question: string) => {
          if (isWatching && failing === "") questions.add(question);
          if (isWatching && question === failing) throw new Error("the database does not answer");
        };
        await using berth = closing(await inProcess({ data, asked }));
        isWatching = true;
        expect(await read(berth, people[who] as Person)).not.toContain(content);
        isWatching = false;
        questions.delete(failing);
        [broken] = questions;
      }
    },
  );
});
