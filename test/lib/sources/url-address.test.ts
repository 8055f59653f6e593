import type { LookupOptions } from "node:dns";
import { expect, test } from "vitest";
import { isPrivateAddress, publicLookup } from "../../../src/lib/sources/url-address";

test.each([
  "0.0.0.0",
  "10.0.0.1",
  "10.255.255.255",
  "100.64.0.1",
  "100.100.100.200",
  "127.0.0.1",
  "127.255.255.254",
  "168.63.129.16",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.192",
  "192.168.1.1",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:10.0.0.1",
  "::ffff:7f00:1",
  "::127.0.0.1",
  "64:ff9b::10.0.0.1",
  "64:ff9b::a9fe:a9fe",
  "64:ff9b:1::1",
  "2002:7f00:1::",
  "2002:c0a8:101::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%eth0",
  "fec0::1",
  "ff02::1",
])("%s is private", (address) => {
  expect(isPrivateAddress(address)).toBe(true);
});

test.each([
  "1.1.1.1",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.1",
  "169.253.0.1",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.0.1",
  "192.169.0.0",
  "198.20.0.0",
  "223.255.255.255",
  "2606:4700::1111",
  "::ffff:1.1.1.1",
  "64:ff9b::1.1.1.1",
  "2002:101:101::1",
  "2a00::1",
])("%s is public", (address) => {
  expect(isPrivateAddress(address)).toBe(false);
});

test.each([{ all: true }, { all: false }, { family: 4 }])(
  "a name of this machine is refused by the lookup itself: %j",
  async (options) => {
    const error = await new Promise((resolve) => publicLookup("localhost", options, resolve));
    expect(error).toMatchObject({ kind: "invalid", code: "EPRIVATE" });
  },
);

test("a public address passes the lookup in the form that is asked for", async () => {
  const look = (options: LookupOptions) =>
    new Promise((resolve) => publicLookup("1.1.1.1", options, (...answer) => resolve(answer)));
  expect(await look({ all: true })).toEqual([null, [{ address: "1.1.1.1", family: 4 }]]);
  expect(await look({})).toEqual([null, "1.1.1.1", 4]);
});

test("a name that nobody knows fails as the DNS says", async () => {
  const error = await new Promise((resolve) => publicLookup("nothing.invalid", {}, resolve));
  expect(error).toHaveProperty("code", expect.stringMatching(/ENOTFOUND|EAI_AGAIN/));
});
