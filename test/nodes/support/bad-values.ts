// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how Node-RED writes environment variables
export type Settings = Record<string, unknown>;
export type Row = [setting: string, value: unknown, sentence: RegExp];

const listless: [unknown, RegExp][] = [
  ["title", /must be a list of names and texts/],
  [[null], /row 1: the settings must be an object/],
  [[{ name: "a", value: {} }], /row 1: value must be text/],
  [[{ name: "a", value: "{{#b}}" }], /row 1: value: The template .* is not well formed/],
  [[{ name: "a", value: "${NOT_SET}" }], /row 1: value: the environment variable NOT_SET is not set/],
];
export const rows = (setting: string): Row[] =>
  listless.map(([value, sentence]) => [
    setting,
    value,
    new RegExp(`${setting}.*${sentence.source}|${sentence.source}`),
  ]);
export const template = (setting: string): Row[] => [
  [setting, {}, new RegExp(`${setting} must be text`)],
  [setting, "{{a", new RegExp(`${setting}: The template .* is not well formed`)],
  [setting, "{{> other}}", new RegExp(`${setting}: The template asks for another template`)],
  [setting, "${NOT_SET}", new RegExp(`${setting}: the environment variable NOT_SET is not set`)],
];
export const timeZone: Row[] = [
  ["timeZone", "Mars/Olympus", /time zone "Mars\/Olympus" is not known/],
  ["timeZone", 1, /timeZone must be text/],
];
export const number = (setting: string, ...bad: unknown[]): Row[] =>
  ["many", [], -1, ...bad].map((value) => [
    setting,
    value,
    new RegExp(`${setting} must be a (whole )?number from [\\d.]+ to`),
  ]);
export const boolean = (setting: string): Row[] =>
  ["maybe", 5, {}].map((value) => [setting, value, new RegExp(`${setting} must be true or false`)]);
export const choice = (setting: string): Row[] =>
  ["other", 5, ["x"]].map((value) => [setting, value, new RegExp(`${setting} must be one of`)]);
