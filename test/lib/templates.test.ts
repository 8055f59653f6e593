import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import Mustache from "mustache";
import { describe, expect, test } from "vitest";
import { DeliveryError, renderTemplate, type TemplateOptions, type TemplateView } from "../../src/lib";

const now = new Date("2026-01-01T23:05:09.042Z");

const msg = {
  topic: "a <b> & 'c' \"d\"",
  count: 0,
  ratio: 1.5,
  yes: true,
  no: false,
  none: "",
  nil: null,
  items: [{ name: "x" }, { name: "y" }],
  empty: [],
  words: ["p", "q"],
  deep: { er: { est: "bottom" } },
  at: new Date(0),
  buffer: Buffer.from("bytes"),
  fn: () => "called",
};

const env = new Proxy(
  {},
  { get: (_, name) => (name === "SITE" ? "berlin" : undefined), has: (_, name) => name === "SITE" },
);
const flow = new Proxy(
  {},
  {
    get: (_, name) => (name === "customer" ? { id: 7, name: "Ann" } : undefined),
    has: (_, name) => name === "customer",
  },
);

function render(template: string, options: TemplateOptions = {}, more: Partial<TemplateView> = {}): string {
  return renderTemplate(
    template,
    { msg, env, flow, now, source: { name: "ü.csv" }, ...more },
    { timeZone: "UTC", ...options },
  );
}

function refusal(
  template: string,
  options: TemplateOptions = {},
  more: Partial<TemplateView> = {},
): DeliveryError {
  try {
    throw new Error(`It gave ${JSON.stringify(render(template, options, more))}.`);
  } catch (error) {
    if (error instanceof DeliveryError) return error;
    throw error;
  }
}

describe("a template", () => {
  test.each([
    ["", ""],
    ["plain } { text\r\n", "plain } { text\r\n"],
    ['{"a":{"b":{"c":1}}}', '{"a":{"b":{"c":1}}}'],
    ["{{msg.topic}}|{{{msg.topic}}}|{{&msg.topic}}|{{ msg.topic }}", Array(4).fill(msg.topic).join("|")],
    [
      "{{msg.count}} {{msg.ratio}} {{msg.yes}} {{msg.no}} [{{msg.none}}] [{{msg.nil}}]",
      "0 1.5 true false [] []",
    ],
    [
      "{{msg.deep.er.est}} {{msg.words.0}} {{msg.words.length}} {{msg.topic.length}}",
      `bottom p 2 ${msg.topic.length}`,
    ],
    ["{{msg.deep}} {{msg.words}}", '{"er":{"est":"bottom"}} ["p","q"]'],
    ["{{msg.at}} {{now}}", "1970-01-01T00:00:00.000Z 2026-01-01T23:05:09.042Z"],
    ["{{msg.buffer}}", "bytes"],
    ["{{env.SITE}}/{{flow.customer.name}}-{{flow.customer.id}}", "berlin/Ann-7"],
    ["{{flow.customer}}", '{"id":7,"name":"Ann"}'],
    ["{{#flow.customer}}{{name}} at {{env.SITE}}{{/flow.customer}}", "Ann at berlin"],
    ["{{! a remark }}x", "x"],
    ["{{=<% %>=}}<% msg.count %>{{", "0{{"],
    ["{{#msg.items}}{{name}}/{{source.name}} {{/msg.items}}", "x/ü.csv y/ü.csv "],
    ["{{#msg.words}}{{.}},{{/msg.words}}", "p,q,"],
    ["{{#msg.yes}}y{{/msg.yes}}{{#msg.no}}n{{/msg.no}}{{^msg.no}}N{{/msg.no}}", "yN"],
    ["{{#msg.count}}c{{/msg.count}}{{^msg.count}}0{{/msg.count}}", "0"],
    ["{{#msg.empty}}e{{/msg.empty}}{{^msg.empty}}E{{/msg.empty}}", "E"],
    ["{{#msg.unknown.thing}}u{{/msg.unknown.thing}}{{^nothing}}U{{/nothing}}", "U"],
    ["{{#env.MISSING}}x{{/env.MISSING}}{{^env.MISSING}}unset{{/env.MISSING}}", "unset"],
    ["a\n{{#msg.yes}}\nb\n{{/msg.yes}}\nc", "a\nb\nc"],
  ])("%j gives %j", (template, result) => {
    expect(render(template)).toBe(result);
  });

  test.each([
    "{{msg.topic}} {{#msg.items}}{{name}}, {{/msg.items}}{{^msg.empty}}none{{/msg.empty}}",
    "Hi,\n{{#msg.deep}}\n  {{er.est}}\n{{/msg.deep}}\nbye {{#msg.words}}{{.}}{{/msg.words}}",
    "  {{! alone }}  \r\n{{^msg.no}}\r\nx\r\n{{/msg.no}}\r\n",
  ])("%j gives what Mustache gives", (template) => {
    expect(render(template)).toBe(Mustache.render(template, { msg }, {}, { escape: String }));
  });

  test.each<[string, RegExp]>([
    ["{{msg.topik}}", /\{\{msg\.topik\}\} has no value/],
    ["{{msg.deep.err.est}}", /\{\{msg\.deep\.err\.est\}\}/],
    ["{{env.NOPE}}", /\{\{env\.NOPE\}\}/],
    ["{{global.x}}", /\{\{global\.x\}\}/],
    ["{{topic}}", /\{\{topic\}\}.*msg, metadata/],
    ["{{#msg.items}}{{nam}}{{/msg.items}}", /\{\{nam\}\}/],
    ["{{msg.fn}}", /\{\{msg\.fn\}\}/],
    ["{{msg.nil.x}}", /\{\{msg\.nil\.x\}\}/],
    ["{{}}", /without a name/],
    ["{{> other}}", /\{\{> other\}\}/],
    ["{{msg.topic", /not well formed/],
    ["{{#msg}}x", /not well formed/],
    ["{{/msg}}", /not well formed/],
    ["{{#msg}}x{{/delivery}}", /not well formed/],
    [`${"x".repeat(500)}{{`, /^.{0,250}$/],
  ])("%j is invalid, and says why", (template, words) => {
    const error = refusal(template);
    expect(error.kind).toBe("invalid");
    expect(error.message).toMatch(words);
  });

  test("that is lenient leaves out what has no value", () => {
    const lenient = { lenient: true };
    expect(render("[{{msg.topik}}{{env.NOPE}}{{nothing.at.all}}]{{msg.count}}", lenient)).toBe("[]0");
    expect(refusal("{{msg.topic", lenient).kind).toBe("invalid");
  });

  test.each([
    "constructor",
    "__proto__",
    "toString",
    "hasOwnProperty",
    "msg.constructor",
    "msg.__proto__",
    "msg.constructor.name",
    "msg.topic.constructor",
    "msg.words.constructor",
    "msg.words.map",
    "msg.fn.name",
    "env.constructor",
    "env.__proto__",
    "flow.toString",
    "flow.customer.constructor",
    "now.constructor",
    "now.getTime",
    "msg.buffer.toString",
  ])("does not reach {{%s}}", (name) => {
    expect(refusal(`{{${name}}}`).message).toContain(name);
    expect(render(`{{${name}}}`, { lenient: true })).toBe("");
    expect(render(`{{#${name}}}reached{{/${name}}}`)).toBe("");
  });

  test("does not reach them in a Proxy that has everything either", () => {
    const everything = new Proxy({}, { get: () => "x", has: () => true });
    expect(render("{{env.ANY}}", {}, { env: everything })).toBe("x");
    expect(refusal("{{env.constructor}}", {}, { env: everything }).kind).toBe("invalid");
    expect(refusal("{{env.constructor}}", {}, { env: new Proxy({}, {}) }).kind).toBe("invalid");
  });

  test("reads what Node.js keeps behind getters, as a request's headers", () => {
    const req = new IncomingMessage(new Socket());
    req.headers = { host: "example.com" };
    expect(render("{{msg.req.headers.host}}", {}, { msg: { req } })).toBe("example.com");
  });

  test("cannot show what JSON cannot, but says so", () => {
    const circle: { self?: object } = {};
    circle.self = circle;
    expect(refusal("{{msg}}", {}, { msg: circle }).message).toContain("Name a part of it");
    expect(render("{{msg.n}}", {}, { msg: { n: 12345678901234567890n } })).toBe("12345678901234567890");
  });

  test("that meets a value which cannot be read is invalid", () => {
    const broken = new Proxy(
      {},
      {
        get: () => {
          throw new Error("store is closed");
        },
        has: () => true,
      },
    );
    expect(refusal("{{global.x}}", {}, { global: broken }).message).toContain("store is closed");
  });

  test("has a new uuid at each use", () => {
    const uuids = render("{{uuid}} {{uuid}}").split(" ");
    expect(new Set(uuids).size).toBe(2);
    for (const uuid of uuids)
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

describe("dates", () => {
  test.each([
    ["UTC", "2026-01-01 23:05:09.042 26"],
    ["Asia/Tokyo", "2026-01-02 08:05:09.042 26"],
    ["America/New_York", "2026-01-01 18:05:09.042 26"],
    ["Asia/Kathmandu", "2026-01-02 04:50:09.042 26"],
    ["Pacific/Kiritimati", "2026-01-02 13:05:09.042 26"],
  ])("are told in %s", (timeZone, result) => {
    expect(render("{{yyyy}}-{{MM}}-{{dd}} {{HH}}:{{mm}}:{{ss}}.{{SSS}} {{yy}}", { timeZone })).toBe(result);
  });

  test.each([
    ["2026-03-29T00:59:59Z", "2026-03-29 01:59:59"],
    ["2026-03-29T01:00:00Z", "2026-03-29 03:00:00"],
    ["2026-10-25T00:30:00Z", "2026-10-25 02:30:00"],
    ["2026-10-25T01:30:00Z", "2026-10-25 02:30:00"],
    ["2026-12-31T23:00:00Z", "2027-01-01 00:00:00"],
  ])("follow summer time: %s in Berlin is %s", (instant, result) => {
    const text = "{{yyyy}}-{{MM}}-{{dd}} {{HH}}:{{mm}}:{{ss}}";
    expect(render(text, { timeZone: "Europe/Berlin" }, { now: new Date(instant) })).toBe(result);
  });

  test.each([
    ["2026-01-01", "2026-W01"],
    ["2027-01-01", "2026-W53"],
    ["2027-01-04", "2027-W01"],
    ["2024-12-30", "2025-W01"],
    ["2026-11-24", "2026-W48"],
    ["2023-01-01", "2022-W52"],
  ])("know the ISO week: %s is in %s", (date, week) => {
    expect(render("{{weekYear}}-W{{week}} {{isoDate}}", {}, { now: new Date(date) })).toBe(`${week} ${date}`);
  });

  test("are the machine's own without a time zone", () => {
    const local = `${now.getFullYear()} ${String(now.getHours()).padStart(2, "0")}`;
    expect(renderTemplate("{{yyyy}} {{HH}}", { now })).toBe(local);
    expect(render("{{yyyy}} {{HH}}", { timeZone: "" })).toBe(local);
  });

  test("of an unknown time zone are invalid", () => {
    const error = refusal("{{yyyy}}", { timeZone: "Mars/Olympus" });
    expect(error.kind).toBe("invalid");
    expect(error.message).toContain("Mars/Olympus");
  });

  test("give way to a section's own names", () => {
    expect(render("{{#msg.list}}{{dd}} {{/msg.list}}", {}, { msg: { list: [{ dd: "own" }, {}] } })).toBe(
      "own 01 ",
    );
  });
});
