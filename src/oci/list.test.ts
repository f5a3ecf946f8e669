import { expect, test } from "bun:test";
import type { Granted } from "../domain/access.ts";
import type { Digest, RepositoryName } from "../domain/names.ts";
import type { Image } from "../domain/registry/ports.ts";
import { OciError } from "./errors.ts";
import { listCatalog, listReferrers } from "./list.ts";

test("a catalog that goes on after very many hidden repositories names none of them", async () => {
  const total = 12_000;
  const nameOf = (index: number) => `hidden/${String(index).padStart(6, "0")}` as RepositoryName;
  const shown = nameOf(total - 1);
  const plane = {
    repositories: {
      async list(_granted: Granted, { after, limit }: { after?: string; limit: number }) {
        const from = after === undefined ? 0 : Number(after.slice("hidden/".length)) + 1;
        const length = Math.max(0, Math.min(limit, total - from));
        return Array.from({ length }, (_, index) => ({ name: nameOf(from + index) }));
      },
    },
    access: {
      allows: async (_c: unknown, _r: unknown, { resource }: { resource: string }) => resource.endsWith(shown),
    },
    pageKeys: {
      seal: (_purpose: string, value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url"),
      open: (_purpose: string, sealed: string) => JSON.parse(Buffer.from(sealed, "base64url").toString() || "null"),
    },
  };
  const registry = { account: "111122223333", region: "us-east-1" };
  const list = (last?: string) =>
    listCatalog({ kind: "catalog", page: { last } }, { registry } as Granted, plane as never);
  let turns = 0;
  const count = () => {
    turns++;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  const first = await list();
  clearImmediate(counting);
  // Meanwhile others had their turn.
  expect(turns).toBeGreaterThan(10);
  expect(await first.json()).toEqual({ repositories: [] });
  const link = first.headers.get("link") ?? "";
  expect(link).not.toContain("hidden");
  const lastIn = (text: string) =>
    new URL(text.slice(1, text.indexOf(">")), "http://registry.test").searchParams.get("last") ?? "";
  const last = lastIn(link);
  const found: string[] = [];
  for (let next: string | undefined = last; next !== undefined; ) {
    const answer: Response = await list(next);
    found.push(...((await answer.json()) as { repositories: string[] }).repositories);
    const more: string | null = answer.headers.get("link");
    expect(more ?? "").not.toContain("hidden");
    next = more === null ? undefined : lastIn(more);
  }
  expect(found).toEqual([shown]);
});

test("whatever list of referrers goes on, its page keys are sealed for one purpose: a key is kept for each", async () => {
  const purposes = new Set<string>();
  const plane = {
    pullThrough: { referrers: async () => {} },
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
