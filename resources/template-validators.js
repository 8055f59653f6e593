/** Validators of templates, of lists of names and templates, and of the time zone that dates are in. */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.check?.template) return;

  const blank = (value) => value === undefined || value === null || value === "";
  const always = () => true;

  /** `[key, values]` of what is wrong, or undefined. The name is cleaned: the editor shows it as HTML. */
  function templateProblem(value, options) {
    const problem = shared.template.problemOf(String(value), options);
    return problem && [problem.key, { name: String(problem.name ?? "").replace(/[^\w.$-]/g, "") }];
  }

  function template(label, { optional = false, when = always, without } = {}) {
    return shared.check.validator(label, (value, node) => {
      if (!when(node)) return true;
      if (blank(value)) return optional || ["common.error.required"];
      return templateProblem(value, { without }) ?? true;
    });
  }

  /** @param token restricts names to what an HTTP header can be called (RFC 9110 §5.6.2) */
  function pairs(label, { token = false, most, when = always, without } = {}) {
    return shared.check.validator(label, (rows, node) => {
      if (!when(node) || !Array.isArray(rows)) return true;
      const names = rows.map(({ name }) => name);
      if (names.includes("")) return ["common.error.rowName"];
      if (new Set(names).size < names.length) return ["common.error.rowTwice"];
      if (token && !names.every((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name)))
        return ["common.error.rowToken"];
      if (most !== undefined && rows.length > most) return ["common.error.rowCount", { most }];
      const problems = rows.map(
        ({ value }) => !shared.isVariable(value) && templateProblem(value, { without }),
      );
      return problems.find(Boolean) ?? true;
    });
  }

  function timeZone(label) {
    return shared.check.validator(label, (value) => {
      if (blank(value)) return true;
      try {
        new Intl.DateTimeFormat("en", { timeZone: value });
        return true;
      } catch {
        return ["common.error.timeZone"];
      }
    });
  }

  shared.check = Object.assign(shared.check ?? {}, { template, templateProblem, pairs, timeZone });
})();
