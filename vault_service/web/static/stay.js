// Before the session ends for want of a click, whoever reads or types is told, and stays signed in by a click
// (web/stay.py). What was typed is never taken away: also when it is over, the page stays as it is.

const LOOK_MS = 5000;
const BEFORE_MS = 120_000;
const PATIENCE_MS = 10_000;

const said = document.getElementById("stay").dataset;
const others = new BroadcastChannel("stay"); // a click in another window of this site counts for all
const main = document.getElementById("main");
let ends;
let bar;
let was = document.activeElement; // where somebody worked, outside the bar

function begin(leftS) {
  ends = Date.now() + leftS * 1000;
  takeAway();
}

function takeAway() {
  const held = bar?.contains(document.activeElement);
  bar?.remove();
  bar = undefined;
  if (held) (was?.isConnected && was !== document.body ? was : main).focus();
}

/** A question that is open hides all else (HTML, showModal). */
const place = () => document.querySelector("dialog[open]") ?? main;

function tell(words, act) {
  if (bar?.dataset.words === words) return;
  takeAway();
  bar = document.createElement("div");
  bar.className = "stay notice warn";
  bar.dataset.words = words;
  bar.setAttribute("role", "alert");
  place().append(bar);
  const line = document.createElement("p");
  line.textContent = words; // after it is in the page: so it is read out
  bar.append(line, act);
}

function button() {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = said.stay;
  made.addEventListener("click", stay);
  return made;
}

function link() {
  const made = document.createElement("a");
  made.href = said.signIn;
  made.textContent = said.enter;
  return made;
}

async function stay() {
  const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  try {
    const answer = await fetch(said.address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token },
      body: "{}",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.status === 401 || answer.status === 403) return end(); // another one was begun meanwhile, or it is over
    if (!answer.ok) return tryAgain();
    const { left_s: leftS } = await answer.json();
    begin(leftS);
    others.postMessage(leftS);
    if (leftS * 1000 <= BEFORE_MS) tell(said.last, link());
  } catch {
    tryAgain();
  }
}

function tryAgain() {
  const again = button();
  tell(said.away, again);
  again.focus(); // where the button was that was pressed
}

function end() {
  ends = -Infinity;
  tell(said.over, link());
}

function look() {
  const left = ends - Date.now(); // by the clock: a device that slept wakes up late
  if (left <= 0) end();
  else if (left <= BEFORE_MS && !bar) tell(said.soon, button());
  if (bar && bar.parentElement !== place()) place().append(bar);
}

document.addEventListener("focusin", ({ target }) => {
  if (!bar?.contains(target)) was = target;
});
others.addEventListener("message", (event) => {
  if (ends > 0 && Number.isFinite(event.data)) begin(event.data); // over is over: this page's forms are of that session
});
begin(Number(said.left));
others.postMessage(Number(said.left));
setInterval(look, LOOK_MS);
