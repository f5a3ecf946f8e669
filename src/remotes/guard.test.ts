import { expect, test } from "bun:test";
import { createGuard } from "./guard.ts";

type Found = { address: string; family: number }[];

function lookup(guard: ReturnType<typeof createGuard>, host: string): Promise<Found> {
  return new Promise((resolve, reject) =>
    guard.lookup(host, { all: true }, (error, found) => (error ? reject(error) : resolve(found as Found))),
  );
}

test("of the addresses of a name only those that are permitted are connected to", async () => {
  const addresses = ["10.0.0.1", "8.8.8.8", "127.0.0.1", "2606:4700::1111", "169.254.169.254", "::ffff:10.0.0.1"];
  const guard = createGuard(
    (reach) => reach === "public",
    async () => addresses,
  );
  expect(await lookup(guard, "mixed.test")).toEqual([
    { address: "8.8.8.8", family: 4 },
    { address: "2606:4700::1111", family: 6 },
  ]);
});

test.each([
  ["10.0.0.1", "a private address"],
  ["::1", "a loopback address"],
  ["169.254.169.254", "a special address"],
])("a name that leads to %s alone is not connected to", async (address, why) => {
  const guard = createGuard(
    (reach) => reach === "public",
    async () => [address],
  );
  await expect(lookup(guard, "inner.test")).rejects.toThrow(why);
});

test("the metadata of a cloud is out of reach whatever is permitted", async () => {
  const guard = createGuard(
    () => true,
    async () => ["169.254.169.254"],
  );
  await expect(lookup(guard, "metadata.test")).rejects.toThrow("a special address");
  for (const literal of ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]"])
    expect(() => guard.checkHost(literal)).toThrow("a special address");
});

/** As the URL parser spells them, whatever they were written as. */
test.each([
  ["http://2130706433/", "loopback"],
  ["http://0x7f.1/", "loopback"],
  ["http://0177.0.0.1/", "loopback"],
  ["http://127.1/", "loopback"],
  ["http://127.0.0.1./", "loopback"],
  ["http://１２７.0.0.1/", "loopback"],
  ["http://[::1]/", "loopback"],
  ["http://[::ffff:7f00:1]/", "loopback"],
  ["http://[0:0:0:0:0:ffff:10.0.0.1]/", "private"],
  ["http://10.1/", "private"],
  ["http://0xa9fea9fe/", "special"],
])("%s is a %s address", (url, reach) => {
  const guard = createGuard((where) => where === "public");
  expect(() => guard.checkHost(new URL(url).hostname)).toThrow(`a ${reach} address`);
});

test("a name is no address, and one without addresses is not known", async () => {
  const guard = createGuard(
    () => true,
    async () => [],
  );
  guard.checkHost("registry.test");
  await expect(lookup(guard, "registry.test")).rejects.toMatchObject({ code: "ENOTFOUND" });
});
