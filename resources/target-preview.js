/** Says beforehand what a writer will refuse. */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.targetProblem) return;

  /** As the library refuses targets: a sentence, or undefined for a name that will do. */
  shared.targetProblem = (node, target) => {
    const segments = target.replace(/^\/+/, "").split("/");
    if (segments.includes("..") || segments.includes(".")) return node._("common.target.dots");
    if (segments.at(-1) === "") return node._("common.target.slash");
    if (segments.includes("")) return node._("common.target.empty");
    return undefined;
  };
})();
