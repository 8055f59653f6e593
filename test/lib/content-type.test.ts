import { expect, test } from "vitest";
import { contentTypeOf } from "../../src/lib";

test.each([
  ["report.csv", "text/csv"],
  ["REPORT.CSV", "text/csv"],
  ["a.b.json", "application/json"],
  ["data.tar.gz", "application/gzip"],
  ["folder/picture.jpeg", "image/jpeg"],
  ["folder.csv/readme", "application/octet-stream"],
  ["ünï 名.pdf", "application/pdf"],
  ["noextension", "application/octet-stream"],
  [".csv", "application/octet-stream"],
  ["trailing.", "application/octet-stream"],
  ["a.constructor", "application/octet-stream"],
  ["a.__proto__", "application/octet-stream"],
  ["a.unheardof", "application/octet-stream"],
  ["", "application/octet-stream"],
])("%j is %s", (name, type) => {
  expect(contentTypeOf(name)).toBe(type);
});
