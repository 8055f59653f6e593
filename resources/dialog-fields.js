/** Fields that are more than an input: code, time zones, texts from files. */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.fields?.code) return;

  /** A code editor in `#node-input-<property>-editor`, kept in the hidden `#node-input-<property>`. */
  function code(dialog, property, { mode, globals = {} }) {
    const { node, prefix, field } = dialog;
    const stateId = RED.editor.generateViewStateId("node", node, property);
    const editor = RED.editor.createEditor({
      id: `${prefix}-${property}-editor`,
      mode,
      stateId,
      value: field(property).val(),
      globals,
    });
    const expand = $(`#${prefix}-${property}-expand`);
    RED.popover.tooltip(expand, RED._("node-red:common.label.expand"));
    expand.attr("aria-label", RED._("node-red:common.label.expand"));
    // The label is for the hidden field, which nobody can type into.
    dialog.form.find(`label[for="${prefix}-${property}"]`).on("click", () => editor.focus());
    expand.on("click", (event) => {
      event.preventDefault();
      editor.saveView();
      const open = mode.endsWith("javascript") ? RED.editor.editJavaScript : RED.editor.editText;
      open({
        value: editor.getValue(),
        width: "Infinity",
        stateId,
        mode,
        focus: true,
        cancel: () => setTimeout(() => editor.focus(), 250),
        complete(text) {
          editor.setValue(text, -1);
          setTimeout(() => {
            editor.restoreView();
            editor.focus();
          }, 250);
        },
      });
    });
    editor.getSession().on("change", () => field(property).val(editor.getValue()).trigger("change"));
    dialog.savers.push(() => field(property).val(editor.getValue()));
    dialog.closers.push(() => editor.destroy());
    return editor;
  }

  /** Offers the time zones that this browser knows. */
  function timeZone(dialog) {
    const field = dialog.field("timeZone");
    const list = $("<datalist>", { id: `${dialog.prefix}-timeZone-list` }).insertAfter(field);
    for (const value of Intl.supportedValuesOf?.("timeZone") ?? []) $("<option>", { value }).appendTo(list);
    field.attr("list", list.attr("id"));
  }

  /** Lets the text of a field come out of a file of the person's own computer. */
  function textFile(dialog, property, accept) {
    const { form, field } = dialog;
    const chooser = $("<input>", { type: "file", accept }).hide().appendTo(form);
    form.find(`.dd-load-${property}`).on("click", (event) => {
      event.preventDefault();
      chooser.trigger("click");
    });
    chooser.on("change", async () => {
      const [file] = chooser[0].files;
      if (file)
        field(property)
          .val(await file.text())
          .trigger("change");
    });
  }

  const certificate = (dialog) => textFile(dialog, "ca", ".pem,.crt,.cer");

  shared.fields = Object.assign(shared.fields ?? {}, { code, timeZone, textFile, certificate });
})();
