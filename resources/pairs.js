/** A list of names and values. */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.fields?.pairs) return;

  /** A list of `{name, value}` in `#node-input-<property>-container`. `view` makes the values templates. */
  function pairs(dialog, property, { names, value, view } = {}) {
    const { node, prefix } = dialog;
    const list = $(`#${prefix}-${property}-container`).css({ minHeight: "0" });
    list.editableList({
      addButton: node._("common.add"),
      height: "auto",
      removable: true,
      sortable: true,
      addItem(container, _index, row) {
        const line = $("<div>", { class: "dd-pair" }).appendTo(container);
        const input = (kind, text, placeholder) =>
          $("<input>", { type: "text", class: `dd-pair-${kind}`, placeholder, "aria-label": placeholder })
            .val(text ?? "")
            .appendTo(line);
        input("name", row.name, names ?? node._("common.name"));
        const field = input("value", row.value, value ?? node._("common.value"));
        if (view)
          shared.preview(dialog, {
            field,
            place: $("<div>", { class: "dd-row-preview" }).appendTo(container),
            view,
            terse: true,
          });
      },
    });
    list.editableList("addItems", node[property] ?? []);
    dialog.savers.push(() => {
      const rows = list.editableList("items").map((_, item) => readPair($(item)));
      node[property] = rows.get().filter((row) => row.name !== "" || row.value !== "");
    });
  }

  function readPair(item) {
    return { name: item.find(".dd-pair-name").val().trim(), value: item.find(".dd-pair-value").val() };
  }

  shared.fields = Object.assign(shared.fields ?? {}, { pairs });
})();
