// Keeps the part of a page marked data-live up to date: how far rotations and ceremonies are.
// It asks the server every other second while the page is in sight; that keeps nobody signed in.
// Bars and numbers change in silence; what changes its state is said (role="status").

import { poll } from "./poll.js";

const EVERY_MS = 2000;

const text = (name) => document.querySelector(`meta[name="text:${name}"]`)?.content ?? "";

function fill(part, name, value) {
  const found = part.querySelector(`[data-part="${name}"]`);
  if (found && found.textContent !== value) found.textContent = value;
}

function move(part, value, max) {
  const bar = part.querySelector("progress");
  if (bar) { bar.max = Math.max(1, max); bar.value = Math.min(value, max); }
}

// True when the page shows something else than there is: then it is loaded anew.
function show(box, live) {
  const parts = new Map([...box.querySelectorAll("[data-turn]")].map((part) => [part.dataset.turn, part]));
  const waiting = new Map([...box.querySelectorAll("[data-ceremony]")].map((part) => [part.dataset.ceremony, part]));
  let other = live.ceremonies.length !== waiting.size;
  for (const turn of live.rotations) {
    const part = parts.get(turn.id);
    if (!part) { other ||= turn.state !== "finished"; continue; }
    fill(part, "count", turn.count);
    fill(part, "says", turn.says);
    move(part, turn.looked_at, turn.of);
    if (part.dataset.state !== turn.state) {
      part.dataset.state = turn.state;
      fill(part, "state", text(turn.state));
      say(box, `${text("changed")} ${text(turn.state)}`);
    }
  }
  for (const each of live.ceremonies) {
    const part = waiting.get(each.id);
    if (!part) { other = true; continue; }
    fill(part, "count", each.count);
    move(part, each.shares, each.need);
  }
  return other;
}

function say(box, what) {
  const line = box.querySelector("[data-live-says]");
  if (line) line.textContent = what;
}

async function watch(box) {
  if (await poll(box.dataset.live, EVERY_MS, (live) => show(box, live))) location.reload();
  else say(box, text("stopped"));
}

for (const box of document.querySelectorAll("[data-live]")) watch(box);
