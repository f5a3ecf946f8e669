import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as sdk from "@aws-sdk/client-ecr";
import { errors } from "../src/aws/ecr/errors.ts";
import { operations } from "../src/aws/ecr/index.ts";
import { signDraft } from "../src/aws/test-signer.ts";
import type { RefusalCode } from "../src/domain/errors.ts";
import type { AnyRow } from "./operations/row.ts";
import { rows } from "./operations/rows.ts";
import { type Watched, watchedWorld } from "./operations/world.ts";
import { host, type InProcess, inProcess, keyPair } from "./support/berth.ts";
import {
  commonErrors,
  declaredErrors,
  inputMembers,
  type Operation,
  problems,
  sdkOperations,
} from "./support/model.ts";

/**
 * Every operation that the installed SDK knows, called with good and with bad input. What comes back is compared with the
 * published model as it came over the wire: SDKs overlook members that they do not know.
 */

// The machine may be busy.
setDefaultTimeout(30_000);

let berth: InProcess;
let world: Watched;
beforeAll(async () => {
  // Its upstreams are registries that answer: what they are asked is tested where rules are.
  berth = await inProcess({ openRemote: ({ origin }) => ({ name: origin, ping: async () => {} }) as never });
  world = watchedWorld(berth);
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
});

/** By the SDK. Answers the error's name, if it ends in one. */
async function call(operation: Operation, input: object): Promise<string | undefined> {
  const commands = sdk as unknown as Record<string, new (input: object) => sdk.CreateRepositoryCommand>;
  const Command = commands[`${operation}Command`];
  if (!Command) throw new Error(`the SDK has no command for ${operation}`);
  const error = await world.send(new Command(input)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error !== undefined && !(error instanceof sdk.ECRServiceException)) throw error;
  expect(problems(operation, world.newest())).toEqual([]);
  return error?.name;
}

/** With a body that no SDK sends. */
async function callRaw(operation: Operation, body: string): Promise<string> {
  const target = `AmazonEC2ContainerRegistry_V20150921.${operation}`;
  const headers = { host, "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
  const key = { accessKeyId: keyPair.accessKeyId, secret: keyPair.secretAccessKey };
  const draft = { method: "POST", path: "/", query: {}, headers, body };
  const signed = await signDraft(draft, { key, signingDate: berth.now });
  const response = await berth.send("POST", "/", { headers: signed.headers, body });
  const answer = {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    text: await response.text(),
  };
  expect(problems(operation, answer)).toEqual([]);
  return JSON.parse(answer.text).__type;
}

describe("the operations", () => {
  test("are those of the installed SDK, all of them", () => {
    expect(sdkOperations.length).toBeGreaterThanOrEqual(62);
    expect([...operations.keys()].sort()).toEqual([...sdkOperations]);
  });

  test("have a row each", () => {
    expect([...rows.keys()].sort()).toEqual([...sdkOperations]);
  });
});

/** ECR does not model what we refuse so; why is said in src/aws/ecr/errors.ts. */
const beyondTheModel: Partial<Record<Operation, readonly RefusalCode[]>> = { InitiateLayerUpload: ["TooManyUploads"] };

test.each([...operations.values()].map((operation) => [operation.name, operation.throws] as const))(
  "%s declares no error that its model does not have",
  (name, throws) => {
    const declared = declaredErrors(name as Operation);
    const spelled = throws
      .filter((code) => !beyondTheModel[name as Operation]?.includes(code))
      .map((code) => errors[code as keyof typeof errors][0]);
    expect(spelled.filter((error) => !declared.has(error) && !commonErrors.has(error))).toEqual([]);
  },
);

describe.each([...rows])("%s", (operation: Operation, row: AnyRow) => {
  const { required, texts } = inputMembers(operation);
  const good = async () => row.good(world);

  test("answers good input as the model says", async () => {
    const input = await good();
    expect(await call(operation, input)).toBeUndefined();
    const answer = JSON.parse(world.newest().text);
    expect(row.has.filter((member) => !(member in answer))).toEqual([]);
  });

  if (Object.keys(row.bad).length > 0) {
    test.each(Object.entries(row.bad))("refuses %s", async (_, [error, change]) => {
      const input = await good();
      const bad = typeof change === "function" ? await change(input, world) : { ...input, ...change };
      expect(await call(operation, bad)).toBe(error);
    });
  }

  if (required.length > 0) {
    test.each(required)("refuses input without %s", async (member) => {
      expect(await call(operation, { ...(await good()), [member]: undefined })).toBe("InvalidParameterException");
    });
  }

  test("refuses what cannot be read", async () => {
    expect(await callRaw(operation, "[]")).toBe("SerializationException");
    expect(await callRaw(operation, "{")).toBe("SerializationException");
    for (const member of texts) {
      expect(await callRaw(operation, JSON.stringify({ [member]: { a: 1 } }))).toBe("SerializationException");
    }
  });
});
