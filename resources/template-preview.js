/** The line below a template field that shows what will come of it, and with which sample values. */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.preview) return;

  const sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  const fallbackNames = { text: "content.txt", payload: "payload", function: "content", url: "download" };
  const lastSegment = (path) => path.split(/[\\/]/).at(-1);

  /** The file name that a data source with these settings gives its content. */
  function sourceName({ kind, fileName, path = "", url = "", timeZone }, view = {}) {
    const render = (template) => {
      try {
        return shared.template.render(template, view, { timeZone });
      } catch {
        return "";
      }
    };
    const chosen = lastSegment(render(fileName ?? ""));
    if (chosen) return chosen;
    if (kind === "file") return lastSegment(render(path)) || "‹file›";
    if (kind === "url")
      return lastSegment(render(url).replace(/^[a-z]+:\/\/[^/]*|[?#].*$/gi, "")) || "download";
    return fallbackNames[kind] ?? "content";
  }

  /** The data source that feeds a node, looked for along the wires. */
  function dataSourceOf(node) {
    const seen = new Set([node]);
    for (const one of seen) {
      if (one.type === "delivery-data-source") return one;
      for (const { source } of RED.nodes.getNodeLinks?.(one, 1) ?? []) if (seen.size < 100) seen.add(source);
    }
    return undefined;
  }

  function renderPairs(rows, view, options) {
    const known = (rows ?? []).filter(({ name, value }) => name && !shared.template.problemOf(value));
    return Object.fromEntries(
      known.map(({ name, value }) => [name, shared.template.render(value, view, options)]),
    );
  }

  /** Sample values for the templates of a node, as near to its flow as the editor can know. */
  function sampleView(node) {
    const from = dataSourceOf(node);
    const name = from ? sourceName(from) : "customers.csv";
    const source = { kind: from?.kind ?? "text", name, contentType: "text/csv", size: 48213, sha256 };
    const metadata = from ? renderPairs(from.metadata, { source }, { timeZone: from.timeZone }) : {};
    const now = new Date();
    const delivery = {
      id: "6f1c2a7e-8d9b-4c57-9a53-2f6f0f8e11d4",
      state: "delivered",
      writer: { type: "delivery-s3-writer", name: "s3 writer" },
      target: name,
      location: `s3://reports/${name}`,
      url: `https://reports.s3.amazonaws.com/${name}`,
      bytes: source.size,
      sha256,
      verified: "checksum",
      attempt: 1,
      startedAt: now.toISOString(),
      finishedAt: now.toISOString(),
      elapsedMs: 1240,
    };
    const error = {
      message: "Cannot reach the FTP server ftp.example.com:21: it did not answer in time.",
      kind: "unavailable",
      code: "ETIMEDOUT",
      retryable: true,
    };
    return { source, metadata, delivery, msg: { source, metadata, delivery, error } };
  }

  /**
   * Shows the preview of a field in `place`.
   * @param show turns the rendered text into what is shown: a string, or `{problem}` with a sentence
   * @param terse shows nothing for a text without a template in it
   */
  function preview(
    dialog,
    { field, place, view, show = (text) => text, label, without, terse = false, also = [] },
  ) {
    const { node } = dialog;
    place.addClass("dd-preview");
    const caption = $("<span>").appendTo(place);
    const text = $("<span>", { class: "dd-preview-text" }).appendTo(place);
    const update = () => {
      const template = field.val() ?? "";
      const wrong = shared.check.templateProblem(template, { without });
      const shown = wrong ? { problem: node._(...wrong) } : show(rendered(dialog, template, view));
      const problem = shown?.problem;
      place.toggleClass("dd-problem", problem !== undefined);
      place.toggle(Boolean(problem ?? shown) && !(terse && !template.includes("{{")));
      caption.text(problem === undefined ? `${label ?? node._("common.example")} ` : "");
      text.text(problem ?? (shown?.includes("\n") ? `\n${shown}` : (shown ?? "")));
    };
    field.on("change input", update);
    for (const name of ["timeZone", ...also]) dialog.field(name).on("change input", update);
    update();
    return update;
  }

  function rendered(dialog, template, view) {
    try {
      return shared.template.render(template, view(), { timeZone: dialog.value("timeZone") });
    } catch {
      return ""; // an unfinished time zone; its own field says so
    }
  }

  Object.assign(shared, { preview, sampleView, sourceName });
})();
