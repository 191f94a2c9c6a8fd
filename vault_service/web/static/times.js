// Times stand in the page as UTC, for whoever reads without scripts. Here the reader's own zone is put
// first, with UTC beside it: officers in two countries, and auditors later, must mean the same moment.

const language = document.documentElement.lang || "en";
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const zone = new Intl.DateTimeFormat(language, { timeZoneName: "short", hour: "2-digit" });

function zoneName(when) {
  return zone.formatToParts(when).find((part) => part.type === "timeZoneName")?.value ?? "";
}

/** Show one <time data-when> in the reader's zone. */
export function showTime(element) {
  const when = new Date(element.dateTime);
  if (Number.isNaN(when.getTime()) || element.dataset.shown === element.dateTime) return;
  element.dataset.shown = element.dateTime;
  const utc = element.dateTime.slice(0, 16).replace("T", " ");
  element.title = element.dateTime;
  if (when.getTimezoneOffset() === 0) {
    element.textContent = `${day.format(when)} UTC`;
    return;
  }
  const local = document.createElement("span");
  local.textContent = `${day.format(when)} ${zoneName(when)}`;
  const beside = document.createElement("span");
  beside.className = "quiet utc";
  beside.textContent = ` (${utc} UTC)`;
  element.replaceChildren(local, beside);
}

/** Show all times below an element; for scripts that add some later. */
export function showTimes(below = document) {
  for (const element of below.querySelectorAll("time[data-when]")) showTime(element);
}

showTimes();
