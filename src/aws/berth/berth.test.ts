import { afterAll, beforeAll, expect, test } from "bun:test";
import { signDraft, toRequest } from "../test-signer.ts";
import { account, inProcess, root } from "../testing.ts";

type World = Awaited<ReturnType<typeof inProcess>>;
let world: World;
beforeAll(async () => {
  world = await inProcess();
});
afterAll(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

async function ask(input: unknown) {
  const body = JSON.stringify(input);
  const headers = {
    host: "api.test:5080",
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "Berth_V1.ExplainDecision",
  };
  const draft = { method: "POST", path: "/", query: {}, headers, body };
  const signed = await signDraft(draft, { service: "berth", key: root, signingDate: world.now() });
  const { status, text } = await world.send(toRequest(signed));
  return { status, ...JSON.parse(text) };
}

const rootArn = `arn:aws:iam::${account}:root`;
const own = `arn:aws:ecr:us-east-1:${account}:repository/app`;
const foreign = "arn:aws:ecr:us-east-1:999988887777:repository/app";

test("explains what would be decided for whoever asks", async () => {
  expect(await ask({ action: "ecr:PutImage", resourceArn: own })).toEqual({
    status: 200,
    allowed: true,
    because: "because the caller is the root user of the account",
    layers: [],
    missingKeys: [],
    withheld: false,
    principalArn: rootArn,
    action: "ecr:PutImage",
    resourceArn: own,
  });
  expect(await ask({ principalArn: rootArn, action: "ecr:PutImage", resourceArn: foreign })).toMatchObject({
    allowed: false,
    because: "because no resource-based policy allows the ecr:PutImage action",
    withheld: true,
  });
});

test("another account's principals are not ours to ask about", async () => {
  expect(await ask({ principalArn: "arn:aws:iam::999988887777:user/x", action: "ecr:PutImage" })).toMatchObject({
    status: 400,
    __type: "AccessDeniedException",
    message: expect.stringContaining("iam:SimulatePrincipalPolicy on resource: arn:aws:iam::999988887777:user/x"),
  });
});

test("who and what is not there", async () => {
  const nobody = `arn:aws:iam::${account}:user/nobody`;
  expect(await ask({ principalArn: nobody, action: "ecr:PutImage" })).toMatchObject({
    status: 400,
    __type: "ResourceNotFoundException",
    message: `The principal ${nobody} does not exist`,
  });
  expect(await ask({ requestId: "9d8e" })).toMatchObject({
    __type: "ResourceNotFoundException",
    message: "There is no denial of a request 9d8e",
  });
});

test.each<[input: object, message: string]>([
  [{}, "Give either requestId, or action with what belongs to it"],
  [{ requestId: "a", action: "ecr:PutImage" }, "Give either requestId, or action with what belongs to it"],
  [{ action: "PutImage" }, "'action' failed to satisfy constraint"],
  [{ action: "ecr:PutImage", resourceArn: "app" }, "'resourceArn' failed to satisfy constraint"],
  [{ action: "ecr:PutImage", principalArn: "ann" }, "'principalArn' failed to satisfy constraint"],
  [
    { action: "ecr:PutImage", context: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`a:${n}`, []])) },
    "Member must have at most 50 keys",
  ],
])("refuses %j", async (input, message) => {
  expect(await ask(input)).toMatchObject({ __type: "ValidationException", message: expect.stringContaining(message) });
});
