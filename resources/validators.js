/**
 * Validators that say what is wrong. Each takes the key of the field's label first, because the
 * workspace shows the sentence without the field. A value that is one `${VARIABLE}` always passes.
 * The sentences never quote a value: the editor shows them as HTML.
 */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.check?.number) return;

  const blank = (value) => value === undefined || value === null || value === "";
  const say = (node, label, key, values) => `${node._def._(label)}: ${node._def._(key, values)}`;

  /** Wraps a check that returns true or `[key, values]`. Node-RED takes sentences from two-argument functions only. */
  const validator = (label, check) =>
    function (value, _options) {
      if (shared.isVariable(value)) return true;
      const result = check(value, this);
      return result === true ? true : say(this, label, ...result);
    };

  const always = () => true;

  function number(label, { min, max, integer = false, when = always }) {
    return validator(label, (value, node) => {
      if (blank(value) || !when(node)) return true;
      const parsed = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
      const fits = parsed >= min && parsed <= max && (!integer || Number.isInteger(parsed));
      return fits || [integer ? "common.error.integer" : "common.error.number", { min, max }];
    });
  }

  function required(label, when = always) {
    return validator(label, (value, node) => !when(node) || !blank(value) || ["common.error.required"]);
  }

  /** @param key the sentence for a text that does not match */
  function pattern(label, expression, key, { optional = false, when = always } = {}) {
    return validator(label, (value, node) => {
      if (!when(node) || (optional && blank(value))) return true;
      if (blank(value)) return ["common.error.required"];
      return expression.test(value) || [key];
    });
  }

  /** A certificate in PEM, or several. */
  const pem = /-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/;

  shared.check = Object.assign(shared.check ?? {}, { validator, number, required, pattern, pem });
})();
