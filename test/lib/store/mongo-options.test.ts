import { expect, test } from "vitest";
import { readMongoStoreOptions } from "../../../src/lib";

const least = { host: "db.example.com", database: "deliveries" };

test("what is not said is as usual, and safe", () => {
  expect(readMongoStoreOptions(least)).toEqual({
    ...{ host: "db.example.com", port: 27_017, srv: false, database: "deliveries" },
    ...{ user: "", password: "", authDatabase: "admin" },
    ...{ security: "tls", ca: undefined, verifyCertificate: true },
    ...{ connectTimeoutMs: 10_000, maxConnections: 5, leaseMs: 60_000 },
  });
});

test.each([
  ["several members", { host: "a.example.com,b.example.com,c.example.com" }],
  ["an IPv6 address", { host: "2001:db8::1" }],
  ["a name that the DNS lists servers of", { host: "cluster0.example.net", srv: "true" }],
  ["a user of another database", { user: "me", password: "p@:/", authDatabase: "deliveries" }],
])("takes %s", (_what, changes) => {
  expect(readMongoStoreOptions({ ...least, ...changes })).toMatchObject({
    ...changes,
    srv: "srv" in changes,
  });
});

test.each([
  ["host", "", /host is missing/],
  ["host", "mongodb://db.example.com", /host must be a host name/],
  ["host", "me@db.example.com", /host must be a host name/],
  ["host", "a.example.com:27017,b.example.com", /host must not hold a port/],
  ["host", "a.example.com,", /empty name/],
  ["port", "0", /port must be/],
  ["database", "", /database is missing/],
  ["database", "my deliveries", /database must be a name of up to 63/],
  ["database", "a.b", /database must be a name/],
  ["database", "$where", /database must be a name/],
  ["database", "x".repeat(64), /database must be a name/],
  ["user", "a\nb", /user must be text without line breaks/],
  ["security", "ssl", /security must be one of tls, none/],
  ["srv", "perhaps", /srv must be true or false/],
  ["leaseMs", 5, /leaseMs must be/],
])("refuses %s %j", (name, value, sentence) => {
  expect(() => readMongoStoreOptions({ ...least, [name]: value })).toThrow(sentence);
});

test.each(["a.example.com,b.example.com", "192.0.2.1", "2001:db8::1"])(
  "the DNS cannot list servers of %s",
  (host) => {
    expect(() => readMongoStoreOptions({ ...least, host, srv: true })).toThrow(/one name, not an address/);
  },
);
