// "Show what I type": below the last password of a form, one box for all of them. Sent and kept they are as
// passwords always: what a browser remembers of text fields is not for them.

import { text } from "./texts.js";

function offer(form, fields) {
  const box = document.createElement("input");
  box.type = "checkbox";
  const label = document.createElement("label");
  label.className = "tick";
  label.append(box, text("show"));
  const show = () => {
    for (const field of fields) field.type = box.checked ? "text" : "password";
  };
  const hide = () => {
    box.checked = false;
    show();
  };
  box.addEventListener("change", show);
  form.addEventListener("submit", hide);
  addEventListener("pagehide", hide); // back on this page, nobody finds it in the clear
  fields.at(-1).closest(".field").after(label);
}

for (const form of document.forms) {
  const fields = [...form.querySelectorAll('input[type="password"]')];
  if (fields.length) offer(form, fields);
}
