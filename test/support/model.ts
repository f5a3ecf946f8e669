import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as sdk from "@aws-sdk/client-ecr";
import type { OperationName } from "../../src/aws/operation.ts";
import { deviations } from "../../src/aws/schema-check.ts";

/** The published model of ECR, as the installed SDK has it: its operations, their shapes, and the errors that each declares. */

export type Operation = OperationName<typeof sdk>;

/** `sdk.CreateRepository$`: kind, namespace, name, traits, input, output. */
type OperationSchema = readonly [9, string, string, unknown, Shape, Shape];
type Shape = () => StructSchema;
/** Kind, namespace, name, traits, members, their schemas, and how many of them, from the first, are required. */
type StructSchema = readonly [3 | -3, string, string, unknown, readonly string[], readonly unknown[], number?];

const exported = sdk as unknown as Readonly<Record<string, OperationSchema | StructSchema | undefined>>;
const operationKind = 9;
const textSchema = 0;

/** All operations, by name. */
export const sdkOperations = Object.values(exported)
  .filter((schema): schema is OperationSchema => Array.isArray(schema) && schema[0] === operationKind)
  .map(([, , name]) => name as Operation)
  .sort();

/** Any operation can end in these (ECR API reference, "Common Errors"; `SerializationException` and the signature's are not in that list). */
export const commonErrors: ReadonlySet<string> = new Set([
  "AccessDeniedException",
  "ExpiredTokenException",
  "IncompleteSignatureException",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "RequestEntityTooLargeException",
  "SerializationException",
  "ServiceUnavailable",
  "ThrottlingException",
  "UnrecognizedClientException",
]);

/** Members that an input must have, and those that are texts. */
export function inputMembers(operation: Operation): { required: readonly string[]; texts: readonly string[] } {
  const [, , , , members, schemas, required = 0] = schemaOf(operation)[4]();
  return {
    required: members.slice(0, required),
    texts: members.filter((_, index) => schemas[index] === textSchema),
  };
}

/** Errors that the model lists for the operation. They are in no schema, only in the description of its command. */
export function declaredErrors(operation: Operation): ReadonlySet<string> {
  const path = join(
    import.meta.dir,
    `../../node_modules/@aws-sdk/client-ecr/dist-types/commands/${operation}Command.d.ts`,
  );
  const errors = [...readFileSync(path, "utf8").matchAll(/@throws \{@link (\w+Exception)\}/g)].map(
    ([, name = ""]) => name,
  );
  if (errors.length < 2) throw new Error(`the description of ${operation} lists no errors any more`);
  return new Set(errors.filter((name) => name !== "ECRServiceException"));
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What is wrong with an answer by the model. */
export function problems(operation: Operation, { status, headers, text }: Answer): string[] {
  const found: string[] = [];
  if (headers["content-type"] !== "application/x-amz-json-1.1")
    found.push(`the content type ${headers["content-type"]}`);
  if (!/^[0-9a-f-]{36}$/.test(headers["x-amzn-requestid"] ?? "")) found.push("no request id");
  const body = JSON.parse(text) as Record<string, unknown>;
  if (status === 200) return [...found, ...deviations(schemaOf(operation)[5], body)];

  const { __type: name, ...members } = body;
  if (typeof name !== "string" || headers["x-amzn-errortype"] !== name)
    found.push(`another name in the header: ${name}`);
  const declared = declaredErrors(operation).has(String(name));
  if (!declared && !commonErrors.has(String(name))) found.push(`${name}, which it does not declare`);
  if (declared && status !== (name === "ServerException" ? 500 : 400)) found.push(`the status ${status}`);
  const schema = exported[`${name}$`];
  if (schema) found.push(...deviations(schema, members));
  else if (Object.keys(members).join() !== "message") found.push(`members beside the message: ${Object.keys(members)}`);
  if (typeof members.message !== "string" || members.message === "") found.push("no message");
  return found;
}

function schemaOf(operation: Operation): OperationSchema {
  const schema = exported[`${operation}$`];
  if (schema?.[0] !== operationKind) throw new Error(`the SDK has no operation ${operation}`);
  return schema as OperationSchema;
}
