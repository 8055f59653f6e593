/**
 * What the edit dialogs of this package share. The scripts of this folder may load in any order and
 * more than once; each adds one member to the global `DataDistribution` and needs the others only later.
 */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.openDialog) return;

  const variable = /^\$\{[^}]+\}$/;
  const dialogs = new Map();

  $("<link>", { rel: "stylesheet", href: "resources/@data-distribution/node-red/dialog.css" }).appendTo(
    "head",
  );

  /** Called first thing in `oneditprepare`. Everything that the dialog creates ends with `closeDialog`. */
  shared.openDialog = (node) => {
    const prefix = node._def.category === "config" ? "node-config-input" : "node-input";
    const dialog = {
      node,
      prefix,
      savers: [],
      closers: [],
      field: (name) => $(`#${prefix}-${name}`),
      value(name) {
        const field = dialog.field(name);
        if (field.length === 0) return node[name];
        return field.attr("type") === "checkbox" ? field.prop("checked") : field.val();
      },
      /** Calls `act` now and whenever one of the fields changes. */
      watch(names, act) {
        for (const name of names) dialog.field(name).on("change input", act);
        act();
      },
      /** Shows the elements only while `condition` holds, which reads the fields named. */
      showWhen(selector, names, condition) {
        dialog.watch(names, () => {
          dialog.form.find(selector).toggle(condition());
          RED.tray.resize();
        });
      },
    };
    dialog.form = $(`[id^="${prefix}-"]`).first().closest(".dd-form");
    dialogs.set(node.id, dialog);
    keepForeignValues(dialog);
    prepareSections(dialog);
    return dialog;
  };

  /** Called in `oneditsave` with `save`, and in `oneditcancel` without. */
  shared.closeDialog = (node, { save = false } = {}) => {
    const dialog = dialogs.get(node.id);
    if (!dialog) return;
    if (save) for (const saver of dialog.savers) saver();
    for (const closer of dialog.closers) closer();
    dialogs.delete(node.id);
  };

  shared.dialogOf = (node) => dialogs.get(node.id);

  /** What a property is now: as the open dialog shows it, else as the node has it. */
  shared.valueOf = (node, name) => dialogs.get(node.id)?.value(name) ?? node[name];

  shared.isVariable = (value) => variable.test(value);

  /** A list of choices would lose a value that it does not have, such as `${POLICY}` in an imported flow. */
  function keepForeignValues({ node, form, field }) {
    form.find("select").each((_, select) => {
      const name = select.id.replace(/^node-(config-)?input-/, "");
      const value = node[name];
      if (node._def.defaults[name]?.type || typeof value !== "string" || field(name).val() === value) return;
      $("<option>", { value }).text(value).appendTo(select);
      field(name).val(value);
    });
  }

  function prepareSections(dialog) {
    const sections = dialog.form.find("details.dd-section");
    sections.each((_, element) => {
      const section = $(element);
      const badge = $("<span>", { class: "dd-changed" }).appendTo(section.children("summary"));
      const show = () => {
        const count = changedIn(dialog, section);
        badge.toggle(count > 0).text(dialog.node._("common.changed", { changed: count }));
      };
      section.on("change input toggle", () => {
        show();
        RED.tray.resize();
      });
      show();
    });
    // The editor marks wrong values after `oneditprepare`; nobody should have to look for them.
    setTimeout(() => {
      for (const section of sections.get())
        if ($(section).find(".input-error").length > 0) section.open = true;
    }, 100);
  }

  /** How many settings in a section are not as they come out of the palette. */
  function changedIn({ node, prefix, value }, section) {
    const { defaults } = node._def;
    const fields = section.find(`[id^="${prefix}-"]`).get();
    const names = new Set(
      fields.map((field) => field.id.slice(prefix.length + 1).replace(/-(container|editor)$/, "")),
    );
    const changed = [...names].filter((name) => {
      if (!defaults[name]) return false;
      const now = value(name);
      if (defaults[name].type) return now && now !== "_ADD_";
      if (Array.isArray(now)) return JSON.stringify(now) !== JSON.stringify(defaults[name].value);
      return String(now ?? "") !== String(defaults[name].value);
    });
    return changed.length;
  }
})();
