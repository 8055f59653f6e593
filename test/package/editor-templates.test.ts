import { readFileSync } from "node:fs";
import path from "node:path";
import { createContext, runInContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { renderTemplate } from "../../src/lib";
import { packageRoot } from "../support/editor-half";

interface Shared {
  template: {
    render(template: string, view: object, options?: { timeZone?: string; now?: Date }): string;
    problemOf(template: string, options?: { without?: string[] }): { key: string; name?: string } | undefined;
  };
}

const context = createContext({});
runInContext(readFileSync(path.join(packageRoot, "resources/templates.js"), "utf8"), context);
const { template }: Shared = context.DataDistribution;

const view = {
  msg: {
    topic: "a <b> & 'c'",
    count: 0,
    none: "",
    items: [{ name: "x" }, { name: "y" }],
    empty: [],
    deep: { er: 1 },
  },
  source: { name: "ü {{not}} 名.csv", size: 12 },
  delivery: { url: "https://x.test/?a=1&b=2" },
};

describe("the preview of a template", () => {
  test.each([
    "plain",
    "",
    '{"a":{"b":{"c":1}}}',
    "reports/{{source.name}}",
    "{{ source.name }} {{{msg.topic}}} {{&msg.topic}} {{msg.topic}}",
    "{{msg.count}} {{msg.none}} {{msg.deep.er}}",
    "{{! a remark }}x",
    "{{#msg.items}}{{name}}, {{/msg.items}}",
    "{{#msg.items}}{{name}}/{{source.size}} {{/msg.items}}",
    "{{^msg.empty}}nothing{{/msg.empty}}{{#msg.empty}}something{{/msg.empty}}",
    "{{^msg.items}}nothing{{/msg.items}}{{#msg.count}}counted{{/msg.count}}{{#msg.none}}there{{/msg.none}}",
    "{{#msg.deep}}{{er}}{{/msg.deep}}",
    "Hi,\n{{#delivery.url}}\nLink: {{delivery.url}}\n{{/delivery.url}}\nbye",
    "Hi,\r\n  {{#delivery.url}}  \r\nLink\r\n{{/delivery.url}}\r\n",
    "{{! first line }}\nsecond\n  {{! last }}",
    "a {{#delivery.url}} b\n c {{/delivery.url}} d\n",
    "{{msg}} {{msg.items}} {{msg.deep}} {{now}}",
    "{{#msg.items}}{{.}}{{/msg.items}} {{#msg.deep}}{{topic}}{{/msg.deep}}",
  ])("is what the runtime makes of it: %j", (text) => {
    const now = new Date("2026-11-24T12:00:00Z");
    // What the editor cannot know has a mark of its own; the runtime would refuse it.
    const shown = template.render(text, view, { now }).replace(/‹[^›]*›/g, "");
    expect(shown).toBe(renderTemplate(text, { ...view, now }, { lenient: true }));
  });

  test("shows by name what only a run can know, and takes it as there", () => {
    expect(template.render("{{msg.customer}}/{{env.SITE}}", view)).toBe("‹msg.customer›/‹env.SITE›");
    expect(template.render("{{#metadata.x}}yes{{/metadata.x}}{{^metadata.x}}no{{/metadata.x}}", view)).toBe(
      "yes",
    );
  });

  test.each([
    ["2026-01-01T23:05:09.007Z", "UTC"],
    ["2026-01-01T23:05:09.007Z", "Asia/Tokyo"],
    ["2024-12-30T00:00:00.000Z", "UTC"],
    ["2027-01-03T23:59:59.999Z", "America/New_York"],
    ["2020-12-31T12:00:00.500Z", "Pacific/Kiritimati"],
  ])("has the runtime's dates: %s in %s", (time, timeZone) => {
    const now = new Date(time);
    const text =
      "{{yyyy}} {{yy}} {{MM}} {{dd}} {{HH}} {{mm}} {{ss}} {{SSS}} {{isoDate}} {{week}} {{weekYear}}";
    expect(template.problemOf(text)).toBeUndefined();
    expect(template.render(text, {}, { now, timeZone })).toBe(renderTemplate(text, { now }, { timeZone }));
  });

  test.each([
    ["{{msg.topic", "braces"],
    ["{{}}", "nameless"],
    ["{{/msg}}", "unopened"],
    ["{{#msg}}x", "unclosed"],
    ["{{#msg}}x{{/delivery}}", "unopened"],
    ["{{name}}", "unknown"],
  ])("says what is wrong with %j", (text, problem) => {
    expect(template.problemOf(text)?.key).toBe(`common.template.${problem}`);
  });

  test("knows which values a field may use", () => {
    expect(template.problemOf("{{source.name}}", { without: ["source"] })?.key).toBe(
      "common.template.tooEarly",
    );
    expect(
      template.problemOf("{{#msg.items}}{{anything}}{{/msg.items}} {{yyyy}} {{uuid}} {{env.A}}"),
    ).toBeUndefined();
  });
});
