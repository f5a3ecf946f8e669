import { expect, test } from "bun:test";
import type { Granted } from "../domain/access.ts";
import type { Digest, RepositoryName } from "../domain/names.ts";
import type { Image } from "../domain/registry/ports.ts";
import { OciError } from "./errors.ts";
import { listReferrers } from "./list.ts";

test("whatever list of referrers goes on, its page keys are sealed for one purpose: a key is kept for each", async () => {
  const purposes = new Set<string>();
  const plane = {
    images: { referrers: async () => [{ id: 1 }, { id: 2 }].map((image) => image as Image) },
    pageKeys: {
      seal(purpose: string, value: unknown) {
        purposes.add(purpose);
        return Buffer.from(JSON.stringify(value)).toString("base64url");
      },
      open(purpose: string, sealed: string) {
        purposes.add(purpose);
        return JSON.parse(Buffer.from(sealed, "base64url").toString());
      },
    },
  };
  const granted = { registry: { account: "111122223333", region: "us-east-1" } } as Granted;
  const list = (artifactType: string, last?: string) => {
    const asked = { kind: "referrers", repository: "app" as RepositoryName, subject: "sha256:0" as Digest } as const;
    return listReferrers({ ...asked, artifactType, page: { n: 1, last } }, granted, plane as never);
  };
  const lastIn = (answer: Response) => /last=([^&>]+)/.exec(answer.headers.get("link") ?? "")?.[1];
  const one = lastIn(await list("one"));
  expect(lastIn(await list("one", one))).toBeString();
  expect(lastIn(await list("two"))).not.toBe(one);
  await expect(list("two", one)).rejects.toBeInstanceOf(OciError);
  expect(purposes.size).toBe(1);
});
