import { expect, test } from "bun:test";
import { reachOf } from "./public-addresses.ts";

test.each([
  ["public", "8.8.8.8 140.82.121.3 1.1.1.1 2606:4700::1111 2001:4860:4860::8888 ::ffff:8.8.8.8"],
  ["private", "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 192.0.2.1 fd00::1 fd00:ec2::254"],
  ["private", "2001:db8::1 2002:a00:1:: 2001::1 64:ff9b::a00:1 64:ff9b:1::1 fec0::1 ::ffff:192.168.0.1 100::1 ::2"],
  ["loopback", "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1"],
  [
    "never",
    "0.0.0.0 169.254.169.254 fe80::1 :: 224.0.0.1 255.255.255.255 ff02::1 ::ffff:169.254.169.254 x 1.2.3 127.1",
  ],
])("%s: %s", (reach, addresses) => {
  for (const address of addresses.split(" ")) expect([address, reachOf(address)]).toEqual([address, reach as never]);
});

test("the edges of private networks", () => {
  expect(["172.15.255.255", "172.32.0.0", "11.0.0.0", "100.128.0.0", "169.255.0.0"].map(reachOf)).toEqual(
    Array(5).fill("public"),
  );
});

test("an address written in hexadecimal inside of IPv6 is the same address", () => {
  const addresses = [
    "::ffff:7f00:1",
    "::ffff:a9fe:a9fe",
    "0:0:0:0:0:FFFF:808:808",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::808:808",
  ];
  expect(addresses.map(reachOf)).toEqual(["loopback", "never", "public", "never", "public"]);
});
