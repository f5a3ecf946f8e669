import { expect, test } from "bun:test";
import { declaredErrors, inputMembers, problems } from "./model.ts";

const headers = {
  "content-type": "application/x-amz-json-1.1",
  "x-amzn-requestid": "00000000-0000-4000-8000-000000000000",
};
const ok = (body: object) => problems("ListImages", { status: 200, headers, text: JSON.stringify(body) });
const failed = (name: string, { status = 400, header = name, ...members }: Record<string, unknown> = {}) =>
  problems("ListImages", {
    status: status as number,
    headers: { ...headers, "x-amzn-errortype": header as string },
    text: JSON.stringify({ __type: name, message: "m", ...members }),
  });

test("an answer is as the model has it, or what is wrong with it is found", () => {
  expect(ok({ imageIds: [{ imageTag: "a" }] })).toEqual([]);
  expect(ok({ imageIds: [{ imageTag: 1, tag: "a" }], next: "x" })).toHaveLength(3);
  expect(problems("ListImages", { status: 200, headers: {}, text: "{}" })).toHaveLength(2);

  expect(failed("RepositoryNotFoundException")).toEqual([]);
  expect(failed("ThrottlingException")).toEqual([]);
  expect(failed("ImageNotFoundException")).toEqual(["ImageNotFoundException, which it does not declare"]);
  expect(failed("UnknownOperationException", { status: 404 })).toHaveLength(1);
  expect(failed("RepositoryNotFoundException", { status: 404 })).toEqual(["the status 404"]);
  expect(failed("RepositoryNotFoundException", { message: "" })).toEqual(["no message"]);
  expect(failed("RepositoryNotFoundException", { header: "Other" })).toHaveLength(1);
  expect(failed("RepositoryNotFoundException", { uploadId: "x" })).toEqual(["$.uploadId is not known"]);
  expect(failed("ThrottlingException", { uploadId: "x" })).toHaveLength(1);
  expect(failed("ServerException", { status: 500 })).toEqual([]);
});

test("the model says what an operation takes and how it can end", () => {
  expect(inputMembers("PutImageTagMutability")).toEqual({
    required: ["repositoryName", "imageTagMutability"],
    texts: ["repositoryName", "imageTagMutability", "registryId"],
  });
  expect([...declaredErrors("ListImages")].sort()).toEqual([
    "InvalidParameterException",
    "RepositoryNotFoundException",
    "ServerException",
  ]);
});
