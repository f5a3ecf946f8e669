import { signDraft } from "../../src/aws/test-signer.ts";
import { host, type InProcess, keyPair } from "./berth.ts";

interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const targets = { berth: "Berth_V1", ecr: "AmazonEC2ContainerRegistry_V20150921" };

/** Asks an operation of our own API, which no published client knows. */
export async function askOwn(
  berth: InProcess,
  operation: string,
  input: object,
  { accessKeyId, secretAccessKey: secret }: KeyPair = keyPair,
  service: keyof typeof targets = "berth",
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at members that it expects
): Promise<any> {
  const body = JSON.stringify(input);
  const headers = {
    host,
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `${targets[service]}.${operation}`,
  };
  const draft = { method: "POST", path: "/", query: {}, headers, body };
  const signing = { service, key: { accessKeyId, secret }, signingDate: berth.now };
  const signed = await signDraft(draft, signing);
  const answer = await berth.send("POST", "/", { headers: signed.headers, body });
  const text = await answer.text();
  return { status: answer.status, ...(text === "" ? {} : JSON.parse(text)) };
}
