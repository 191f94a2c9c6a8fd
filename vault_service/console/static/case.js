// Keeps the page of a case under way true: <div data-case="(its id)" data-shows="(what the page shows)">.
//
// Once there is something else to be shown the page is loaded anew, but not under somebody's hands: whoever
// types, signs, chooses or reads a refusal is told that it has changed, and loads it when they are done.

import { loadAnew } from "./passkey.js";
import { poll } from "./poll.js";

const EVERY_MS = 3000;

const text = (name) => document.querySelector(`meta[name="text:${name}"]`)?.content ?? "";

const wasFilled = (field) =>
  field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
  : field.type !== "hidden" && "defaultValue" in field && field.value !== field.defaultValue;

/** Whether nobody does anything here that a new page would take away. */
function isIdle() {
  const at = document.activeElement;
  return (
    (!at || at.matches("body, #main, [data-outcome]")) &&
    document.getSelection().isCollapsed &&
    !document.querySelector('form[aria-busy="true"], form [role="alert"]:not(:empty), dialog[open], details[open]') &&
    ![...document.forms].some((form) => [...form.elements].some(wasFilled))
  );
}

function say(box, what, ...more) {
  if (box.dataset.said === what) return;
  box.dataset.said = what;
  const line = document.createElement("p");
  line.append(what, ...more);
  box.className = "notice warn";
  box.replaceChildren(line);
}

function linkAnew() {
  const link = document.createElement("a");
  link.href = location.pathname;
  link.textContent = text("case-anew");
  return link;
}

function show(box, now) {
  if (now.shows === box.dataset.shows) return false;
  if (isIdle()) return true;
  say(box, text("case-changed"), " ", linkAnew());
  return false;
}

async function watch(box) {
  if (await poll(`/cases/${box.dataset.case}/now`, EVERY_MS, (now) => show(box, now))) loadAnew();
  else say(box, text("case-stopped"));
}

for (const box of document.querySelectorAll("[data-case]")) watch(box);
