// Times stand in the page as UTC, for whoever reads without scripts. Here the reader's own zone is put
// first, with UTC beside it: officers in two countries, and auditors later, must mean the same moment.

const language = document.documentElement.lang || "en";
const place = language === "en" ? "en-GB" : language; // 24 hours, as the UTC beside it, and months by name
const moment = new Intl.DateTimeFormat(place, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const inUtc = new Intl.DateTimeFormat(place, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23", timeZone: "UTC" });
const zone = new Intl.DateTimeFormat(place, { timeZoneName: "short", hour: "2-digit" });

/** What the reader calls the zone that counts then: CET, UTC+2. */
export function zoneName(when) {
  return zone.formatToParts(when).find((part) => part.type === "timeZoneName")?.value ?? "";
}

function sameDay(when) {
  return when.getDate() === when.getUTCDate();
}

/** Show one <time data-when> in the reader's zone. */
export function showTime(element) {
  const when = new Date(element.dateTime);
  if (Number.isNaN(when.getTime()) || element.dataset.when === element.dateTime) return;
  element.dataset.when = element.dateTime;
  element.title = element.dateTime;
  if (when.getTimezoneOffset() === 0) {
    element.textContent = `${inUtc.format(when)} UTC`;
    return;
  }
  const local = document.createElement("span");
  local.textContent = `${moment.format(when)} ${zoneName(when)} `;
  const beside = document.createElement("span");
  beside.className = "quiet";
  beside.textContent = `(${sameDay(when) ? element.dateTime.slice(11, 16) : inUtc.format(when)} UTC)`;
  element.replaceChildren(local, beside);
}

/** Show all times below an element; for scripts that add some later. */
export function showTimes(below = document) {
  for (const element of below.querySelectorAll("time[data-when]")) showTime(element);
}

showTimes();
