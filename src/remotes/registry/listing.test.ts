import { describe, expect, test } from "bun:test";
import { createPlayground, digest, failureOf, signal } from "./testing.ts";

const play = createPlayground();
const page = (tags: unknown, link?: string) => Response.json({ tags }, { headers: link ? { link } : {} });
const all = (origin: string) => Array.fromAsync(play.open({ origin }).tags("a/b", { signal }));

describe("tags", () => {
  test("come by links, relative or whole", async () => {
    const { origin, asked } = play.serve((request, url) => {
      const last = url.searchParams.get("last");
      if (last === null) return page(["a", "b"], '</v2/a/b/tags/list?n=2&last=b>; rel="next"');
      if (last === "b")
        return page(["c"], `<${new URL(request.url).origin}/v2/a/b/tags/list?last=c>;title="x";rel=next`);
      return page([]);
    });
    expect(await all(origin)).toEqual(["a", "b", "c"]);
    expect(asked.map(({ path }) => path)).toEqual([
      "/v2/a/b/tags/list?n=1000",
      "/v2/a/b/tags/list?n=2&last=b",
      "/v2/a/b/tags/list?last=c",
    ]);
  });

  test("come by the last one where full pages have no link", async () => {
    const names = Array.from({ length: 2_500 }, (_, at) => `t${String(at).padStart(5, "0")}`);
    const { origin, asked } = play.serve((_, url) => {
      const from = names.indexOf(url.searchParams.get("last") ?? "") + 1;
      return page(names.slice(from, from + 1000));
    });
    expect(await all(origin)).toEqual(names);
    expect(asked.length).toBe(3);
  });

  test("come once where everything comes at once, each time", async () => {
    const names = Array.from({ length: 1_500 }, (_, at) => `t${at}`);
    const { origin } = play.serve(() => page(names));
    expect(await all(origin)).toEqual(names);
  });

  test("of a page are asked for when those before were taken", async () => {
    const { origin, asked } = play.serve((_, url) => {
      const at = Number(url.searchParams.get("last") ?? 0);
      return page([`t${at}`], `</v2/a/b/tags/list?last=${at + 1}>; rel="next"`);
    });
    for await (const name of play.open({ origin }).tags("a/b", { signal })) if (name === "t2") break;
    expect(asked.length).toBe(3);
  });

  test("there are none where there is no repository, and where all are gone", async () => {
    const unknown = (status: number) =>
      play.serve(() => Response.json({ errors: [{ code: "NAME_UNKNOWN" }] }, { status })).origin;
    for (const origin of [unknown(404), unknown(400), play.serve(() => page(null)).origin])
      expect(await all(origin)).toEqual([]);
  });

  test.each([
    ["another host", '<http://evil.test/v2/a/b/tags/list?last=b>; rel="next"', "out-of-bounds"],
    ["this machine", '<http://127.0.0.1:1/v2/a/b/tags/list>; rel="next"', "out-of-bounds"],
    ["another repository", '</v2/c/d/tags/list?last=b>; rel="next"', "out-of-bounds"],
    ["another place by dots", '</v2/a/b/tags/list/../../../c/d/tags/list>; rel="next"', "out-of-bounds"],
    ["somewhere outside", '</admin>; rel="next"', "out-of-bounds"],
    ["nowhere", '<http://>; rel="next"', "nonsense"],
    ["the same page", '</v2/a/b/tags/list?n=1000>; rel="next"', "nonsense"],
  ])("whose link leads to %s fail", async (_, link, problem) => {
    const { origin, asked } = play.serve(() => page(["a"], link));
    expect((await failureOf(all(origin))).problem).toBe(problem as never);
    expect(asked.length).toBe(1);
  });

  test.each([
    ["no list", { a: 1 }],
    ["numbers", [1]],
    ["an empty name", [""]],
    ["a very long name", ["x".repeat(300)]],
  ])("that are %s fail", async (_, tags) => {
    expect((await failureOf(all(play.serve(() => page(tags)).origin))).problem).toBe("nonsense");
  });

  test("of a page that is too long, or not to be had, fail", async () => {
    const long = play.serve(() => page(["a"].concat(Array(60_000).fill("x".repeat(100)))));
    expect((await failureOf(all(long.origin))).problem).toBe("nonsense");
    const second = play.serve((_, url) =>
      url.searchParams.has("last")
        ? new Response("", { status: 404 })
        : page(["a"], '</v2/a/b/tags/list?last=a>; rel="next"'),
    );
    expect((await failureOf(all(second.origin))).problem).toBe("refused");
  });

  test.each(["a/../../admin", "A", "a b", "a?x", "a/", "", "x".repeat(300)])(
    "of %p are not asked for",
    async (name) => {
      const { origin, asked } = play.serve(() => page([]));
      expect(() => play.open({ origin }).tags(name, { signal })).toThrow("no name of a repository");
      expect(asked).toEqual([]);
    },
  );
});

test("repositories come from the catalog", async () => {
  const { origin, asked } = play.serve(() => Response.json({ repositories: ["a", "b/c"] }));
  expect(await Array.fromAsync(play.open({ origin }).repositories({ signal }))).toEqual(["a", "b/c"]);
  expect(asked[0]?.path).toBe("/v2/_catalog?n=1000");
});

describe("referrers", () => {
  const descriptor = { digest, mediaType: "application/json", size: 7 };
  const found = { digest, mediaType: "application/json", sizeBytes: 7 };
  const index = (manifests: unknown, link?: string) => Response.json({ manifests }, { headers: link ? { link } : {} });
  const of = (origin: string) => play.open({ origin }).referrers("a/b", digest, { signal });

  test("come from the API, all pages of it", async () => {
    const { origin } = play.serve((_, url) => {
      if (url.searchParams.has("p")) return index([{ ...descriptor, artifactType: "a/b", annotations: { x: "y" } }]);
      return index([descriptor], `<${url.pathname}?p=2>; rel="next"`);
    });
    expect(await of(origin)).toEqual([found, { ...found, artifactType: "a/b", annotations: { x: "y" } }]);
  });

  test.each<[string, () => Response]>([
    ["not found", () => new Response("404 page not found", { status: 404 })],
    ["an error", () => new Response("", { status: 400 })],
    ["a redirect to a web site", () => new Response("", { status: 303, headers: { location: "https://web.test/x" } })],
    ["a page of it", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
  ])("come by the tag where the API answers with %s", async (_, answer) => {
    const { origin, asked } = play.serve((_request, url) =>
      url.pathname.includes("/referrers/") ? answer() : index([descriptor]),
    );
    expect(await of(origin)).toEqual([found]);
    expect(asked.at(-1)?.path).toBe(`/v2/a/b/manifests/${digest.replace(":", "-")}`);
  });

  test("there are none without API and tag", async () => {
    expect(await of(play.serve(() => new Response("", { status: 404 })).origin)).toEqual([]);
  });

  test("are not believed to be none when the registry fails", async () => {
    expect((await failureOf(of(play.serve(() => new Response("", { status: 500 })).origin))).problem).toBe(
      "unavailable",
    );
    expect((await failureOf(of(play.serve(() => new Response("", { status: 403 })).origin))).problem).toBe("denied");
  });

  test.each([
    [{ ...descriptor, digest: "sha256:x" }],
    [{ ...descriptor, size: -1 }],
    [{ ...descriptor, mediaType: 7 }],
    [null],
  ])("that are no descriptors fail: %j", async (entry) => {
    expect((await failureOf(of(play.serve(() => index([entry])).origin))).problem).toBe("nonsense");
  });
});
