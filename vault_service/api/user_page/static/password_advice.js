// While a new password is typed: would it do? The server is asked by the rules that it will judge by when the
// form is sent. What was typed goes to this server only, as it will anyway, and is kept nowhere.

import { text } from "./texts.js";

const PAUSE_MS = 350; // after the last letter
const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";

async function ask(password, login) {
  const answer = await fetch("/me/password-advice", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify({ password, login }),
  });
  return answer.ok ? (await answer.json()).reasons : null;
}

function show(region, reasons) {
  region.replaceChildren();
  if (reasons === null) return; // no advice at present; the form is judged all the same
  const said = document.createElement("p");
  said.textContent = reasons.length ? text("advice-weak") : text("advice-good");
  region.append(said);
  if (!reasons.length) return;
  const list = document.createElement("ul");
  for (const reason of reasons) {
    const item = document.createElement("li");
    item.textContent = reason;
    list.append(item);
  }
  region.append(list);
}

for (const field of document.querySelectorAll("input[data-advised]")) {
  const region = document.getElementById(field.dataset.advised);
  const login = field.form.elements.namedItem("login");
  let waiting = 0;
  let turn = 0; // an answer that was overtaken is not shown
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    const mine = ++turn;
    if (!field.value) return show(region, null);
    waiting = setTimeout(async () => {
      const reasons = await ask(field.value, login?.value ?? "").catch(() => null);
      if (mine === turn) show(region, reasons);
    }, PAUSE_MS);
  });
}
