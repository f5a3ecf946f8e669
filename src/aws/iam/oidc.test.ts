import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-iam";
import { createOidcProviders } from "../../domain/identity/oidc-providers.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { account, inProcess } from "../testing.ts";
import { refused } from "./testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

const github = "https://token.actions.githubusercontent.com";
const githubArn = `arn:aws:iam::${account}:oidc-provider/token.actions.githubusercontent.com`;
const thumbprint = "6938fd4d98bab03faadb97b34396831e3780aea1";
const provider = { OpenIDConnectProviderArn: githubArn };

const create = (more: Partial<sdk.CreateOpenIDConnectProviderCommandInput> = {}) =>
  berth.iam.send(
    new sdk.CreateOpenIDConnectProviderCommand({ Url: github, ClientIDList: ["sts.amazonaws.com"], ...more }),
  );
const get = () => berth.iam.send(new sdk.GetOpenIDConnectProviderCommand(provider));

describe("an OIDC provider", () => {
  test("is created, read, listed and deleted", async () => {
    const Tags = [{ Key: "team", Value: "blue" }];
    const created = await create({ ThumbprintList: [thumbprint.toUpperCase()], Tags });
    expect(created).toMatchObject({ OpenIDConnectProviderArn: githubArn, Tags });
    expect(await get()).toMatchObject({
      Url: "token.actions.githubusercontent.com",
      ClientIDList: ["sts.amazonaws.com"],
      ThumbprintList: [thumbprint],
      Tags,
    });
    const list = () => berth.iam.send(new sdk.ListOpenIDConnectProvidersCommand({}));
    expect((await list()).OpenIDConnectProviderList).toEqual([{ Arn: githubArn }]);
    await berth.iam.send(new sdk.DeleteOpenIDConnectProviderCommand(provider));
    await berth.iam.send(new sdk.DeleteOpenIDConnectProviderCommand(provider)); // is safe to repeat
    expect((await list()).OpenIDConnectProviderList).toEqual([]);
    expect(await refused(get())).toEqual([
      "NoSuchEntityException",
      `OpenIDConnect Provider not found for arn ${githubArn}`,
      404,
    ]);
  });

  test("is one for its issuer", async () => {
    await create();
    expect(await refused(create())).toEqual([
      "EntityAlreadyExistsException",
      `Provider with url ${github} already exists.`,
      409,
    ]);
  });

  test("has a path in its ARN where its issuer has one", async () => {
    const created = await create({ Url: "https://gitlab.example.com:8443/group/x" });
    expect(created.OpenIDConnectProviderArn).toBe(
      `arn:aws:iam::${account}:oidc-provider/gitlab.example.com:8443/group/x`,
    );
  });

  test.each([
    ["http://gitlab.example.com"],
    ["http://127.0.0.1.example.com"],
    ["http://127.0.0.1@example.com"],
    ["gitlab.example.com"],
    ["ftp://gitlab.example.com"],
    ["https://"],
    ["https://gitlab.example.com?x=1"],
    ["https://gitlab.example.com#x"],
    ["https://user:secret@gitlab.example.com"],
    ["https://gitlab example.com"],
    ["https://gitläb.example.com"],
  ])("is not made for %s", async (Url) => {
    const [name, , status] = await refused(create({ Url }));
    expect([name, status]).toEqual(["InvalidInputException", 400]);
  });

  test("does without TLS only on this machine, and only where that is allowed", async () => {
    const Url = "http://127.0.0.1:8080/issuer";
    const { OpenIDConnectProviderArn } = await create({ Url });
    expect(OpenIDConnectProviderArn).toBe(`arn:aws:iam::${account}:oidc-provider/127.0.0.1:8080/issuer`);
    // With and without TLS it is one issuer.
    expect((await refused(create({ Url: Url.replace("http", "https") })))[0]).toBe("EntityAlreadyExistsException");
    const metadata = await openSqlite({ path: ":memory:" });
    const parts = { metadata, clock: () => new Date(), changed: () => {}, allowInsecureIssuers: false };
    const strict = createOidcProviders(parts).create({ registry: { account } } as never, {
      url: Url,
      clientIds: [],
      thumbprints: [],
    });
    await expect(strict).rejects.toMatchObject({ code: "InvalidInput" });
    await metadata.close();
  });

  test("has up to five thumbprints of 40 hexadecimal digits", async () => {
    expect((await refused(create({ ThumbprintList: ["x".repeat(40)] })))[0]).toBe("InvalidInputException");
    expect((await refused(create({ ThumbprintList: ["abc"] })))[0]).toBe("ValidationError");
    expect((await refused(create({ ThumbprintList: Array(6).fill(thumbprint) })))[0]).toBe("InvalidInputException");
    await create();
    const ThumbprintList = [thumbprint, "0".repeat(40)];
    await berth.iam.send(new sdk.UpdateOpenIDConnectProviderThumbprintCommand({ ...provider, ThumbprintList }));
    expect((await get()).ThumbprintList).toEqual(ThumbprintList);
    const none = new sdk.UpdateOpenIDConnectProviderThumbprintCommand({ ...provider, ThumbprintList: [] });
    expect((await refused(berth.iam.send(none)))[0]).toBe("ValidationError");
  });

  test("has up to a hundred client ids, which come and go", async () => {
    await create({ ClientIDList: Array.from({ length: 99 }, (_, index) => `client-${index}`) });
    const add = (ClientID: string) =>
      berth.iam.send(new sdk.AddClientIDToOpenIDConnectProviderCommand({ ...provider, ClientID }));
    await add("one");
    await add("one");
    expect(await refused(add("two"))).toEqual([
      "LimitExceededException",
      "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100",
      409,
    ]);
    const remove = (ClientID: string) =>
      berth.iam.send(new sdk.RemoveClientIDFromOpenIDConnectProviderCommand({ ...provider, ClientID }));
    await remove("client-0");
    await remove("client-0");
    await add("two");
    expect((await get()).ClientIDList).toHaveLength(100);
    expect(
      (
        await refused(
          create({ Url: "https://x.example", ClientIDList: Array.from({ length: 101 }, (_, index) => `c${index}`) }),
        )
      )[0],
    ).toBe("LimitExceededException");
  });

  test("has tags", async () => {
    await create();
    const tags = [
      { Key: "b", Value: "2" },
      { Key: "a", Value: "1" },
    ];
    await berth.iam.send(new sdk.TagOpenIDConnectProviderCommand({ ...provider, Tags: tags }));
    await berth.iam.send(new sdk.UntagOpenIDConnectProviderCommand({ ...provider, TagKeys: ["b"] }));
    const listed = await berth.iam.send(new sdk.ListOpenIDConnectProviderTagsCommand(provider));
    expect(listed.Tags).toEqual([{ Key: "a", Value: "1" }]);
  });

  test("of another account is not there, and stays", async () => {
    const OpenIDConnectProviderArn = githubArn.replace(account, "999999999999");
    const command = new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn });
    expect((await refused(berth.iam.send(command)))[0]).toBe("NoSuchEntityException");
  });
});
