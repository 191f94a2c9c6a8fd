// The audit filter's times: without scripts they are UTC. Here they are the reader's own, with UTC beside, and
// what is sent says its zone (2026-11-27T08:30Z): a link to what was found means the same to everybody.

import { zoneName } from "./times.js";

const two = (number) => String(number).padStart(2, "0");

/** As <input type="datetime-local"> has it. */
function local(when) {
  return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}T${two(when.getHours())}:${two(when.getMinutes())}`;
}

function inOwnZone(input) {
  const shown = input.value && new Date(`${input.value}Z`);
  if (shown) input.value = local(shown);
  const sent = document.createElement("input");
  sent.type = "hidden";
  sent.name = input.name;
  input.removeAttribute("name");
  const beside = document.createElement("div");
  beside.className = "hint";
  beside.id = `${input.id}-utc`;
  input.setAttribute("aria-describedby", `${input.getAttribute("aria-describedby") ?? ""} ${beside.id}`.trim());
  input.after(beside, sent);
  const label = document.querySelector(`label[for="${input.id}"]`);

  const tell = () => {
    const when = input.value ? new Date(input.value) : null;
    const utc = when && !Number.isNaN(when.getTime()) ? when.toISOString() : "";
    sent.value = utc && `${utc.slice(0, 16)}Z`;
    beside.textContent = utc && `${utc.slice(0, 10)} ${utc.slice(11, 16)} UTC`;
    label.firstChild.textContent = input.dataset.localLabel.replace("{zone}", zoneName(when || new Date()));
  };
  input.addEventListener("input", tell);
  tell();
}

for (const input of document.querySelectorAll("input[data-local-label]")) {
  // A zone that is UTC just now may have a summer time: what it differs by is asked of both halves of a year.
  const year = new Date().getFullYear();
  if ([0, 6].some((month) => new Date(year, month, 1).getTimezoneOffset() !== 0)) inOwnZone(input);
}
