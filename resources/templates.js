/** Reads Mustache templates as the runtime does, so that a dialog can show what will come of them. */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.template) return;

  const roots = ["msg", "metadata", "source", "delivery", "env", "flow", "global", "now"];
  const tag = /\{\{\{\s*([^{}]*?)\s*\}\}\}|\{\{\s*([#^/!&]?)\s*([^{}]*?)\s*\}\}/g;

  /** `mm` is minutes and `MM` is months, as in the runtime. */
  function dateView(now, timeZone) {
    const parts = new Intl.DateTimeFormat("en-GB", {
      ...(timeZone && { timeZone }),
      calendar: "gregory",
      numberingSystem: "latn",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      fractionalSecondDigits: 3,
      hourCycle: "h23",
    }).formatToParts(now);
    const { year, month, day, hour, minute, second, fractionalSecond } = Object.fromEntries(
      parts.map(({ type, value }) => [type, value]),
    );
    const yyyy = year.padStart(4, "0");
    return {
      yyyy,
      yy: yyyy.slice(-2),
      MM: month,
      dd: day,
      HH: hour,
      mm: minute,
      ss: second,
      SSS: fractionalSecond,
      isoDate: `${yyyy}-${month}-${day}`,
      ...isoWeek(Number(yyyy), Number(month), Number(day)),
    };
  }

  /** A week belongs to the year that its Thursday is in (ISO 8601). */
  function isoWeek(year, month, day) {
    const dayMs = 24 * 60 * 60 * 1000;
    const date = Date.UTC(year, month - 1, day);
    const daysSinceMonday = (new Date(date).getUTCDay() + 6) % 7;
    const thursday = new Date(date + (3 - daysSinceMonday) * dayMs);
    const weekYear = thursday.getUTCFullYear();
    const week = Math.floor((thursday.getTime() - Date.UTC(weekYear, 0, 1)) / dayMs / 7) + 1;
    return { week: String(week).padStart(2, "0"), weekYear: String(weekYear) };
  }

  const helpers = [...Object.keys(dateView(new Date(0), "UTC")), "uuid"];

  /** A section's tag on a line of its own leaves no line behind. */
  function standsAlone(template, start, end) {
    const [before] = /[ \t]*$/.exec(template.slice(0, start));
    const [after] = /^[ \t]*(\r?\n|$)?/.exec(template.slice(end));
    const from = start - before.length;
    if (
      (from > 0 && template[from - 1] !== "\n") ||
      !(after.endsWith("\n") || end + after.length === template.length)
    ) {
      return undefined;
    }
    return { start: from, end: end + after.length };
  }

  /** A tree of `{text}`, `{name}` and `{name, inverted, inside}`; throws `{key, name}` for a wrong template. */
  function parse(template) {
    const open = [{ inside: [] }];
    let end = 0;
    const text = (part) => {
      if (part.includes("{{")) throw { key: "common.template.braces" };
      if (part) open.at(-1).inside.push({ text: part });
    };
    for (const found of template.matchAll(tag)) {
      const [whole, raw, sign = "", plain] = found;
      const alone =
        sign !== "" && sign !== "&" && standsAlone(template, found.index, found.index + whole.length);
      text(template.slice(end, alone?.start ?? found.index));
      end = alone?.end ?? found.index + whole.length;
      if (sign === "!") continue;
      const name = raw ?? plain;
      if (name === "") throw { key: "common.template.nameless" };
      if (sign === "/") {
        if (open.length === 1 || open.at(-1).name !== name) throw { key: "common.template.unopened", name };
        open.pop();
        continue;
      }
      const token = { name };
      open.at(-1).inside.push(token);
      if (sign !== "#" && sign !== "^") continue;
      open.push(Object.assign(token, { inverted: sign === "^", inside: [] }));
    }
    text(template.slice(end));
    if (open.length > 1) throw { key: "common.template.unclosed", name: open.at(-1).name };
    return open[0].inside;
  }

  /** What is wrong with a template, as `{key, name}`, or undefined. Names inside sections are not known here. */
  function problemOf(template, { without = [] } = {}) {
    try {
      for (const { name } of parse(template)) {
        const root = name?.split(".")[0];
        if (name === undefined || name === "." || helpers.includes(name)) continue;
        if (without.includes(root)) return { key: "common.template.tooEarly", name };
        if (!roots.includes(root)) return { key: "common.template.unknown", name };
      }
      return undefined;
    } catch (problem) {
      return problem;
    }
  }

  const isObject = (value) => typeof value === "object" && value !== null;
  const member = (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);

  function lookup(stack, name) {
    if (name === ".") return stack.at(-1);
    const [root, ...rest] = name.split(".");
    const scope = stack.findLast((one) => member(one, root) !== undefined);
    return rest.reduce(member, member(scope, root));
  }

  function renderTokens(tokens, stack) {
    return tokens.map((token) => renderToken(token, stack)).join("");
  }

  function renderToken({ text, name, inverted, inside }, stack) {
    if (text !== undefined) return text;
    const value = lookup(stack, name);
    if (!inside) {
      if (value === undefined) return `‹${name}›`;
      return isObject(value) ? JSON.stringify(value) : String(value ?? "");
    }
    // What the editor cannot know counts as there: the person sees the longer form.
    const empty = (value !== undefined && !value) || (Array.isArray(value) && value.length === 0);
    if (inverted) return empty ? renderTokens(inside, stack) : "";
    if (empty) return "";
    return (Array.isArray(value) ? value : [value])
      .map((one) => renderTokens(inside, [...stack, one]))
      .join("");
  }

  /** Values that only a run can tell appear as `‹msg.topic›`. */
  function render(template, view, { timeZone = "", now = new Date() } = {}) {
    const dates = dateView(now, shared.isVariable?.(timeZone) ? "" : timeZone);
    const base = { ...dates, uuid: "1b4e28ba-2fa1-4d2b-883f-0016d3cca427", now: now.toISOString(), ...view };
    return renderTokens(parse(template), [base]);
  }

  shared.template = { problemOf, render, helpers, roots };
})();
