// What a script says is written in the page by the server, in the reader's language:
// {{ script_text("touch", _("Touch your passkey")) }} in the template's block "texts", text("touch") here.

/** The text of that name; its %(name)s are replaced by the values. */
export function text(name, values = {}) {
  const found = document.querySelector(`meta[name="text:${CSS.escape(name)}"]`);
  return (found?.content ?? name).replace(/%\((\w+)\)s/g, (whole, key) => String(values[key] ?? whole));
}
