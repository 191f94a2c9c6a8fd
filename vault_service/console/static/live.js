// Keeps the part of a page marked data-live up to date: how far rotations and ceremonies are.
// It asks the server every other second while the page is in sight; that keeps nobody signed in.
// Bars and numbers change in silence; what changes its state is said (role="status").

const EVERY_MS = 2000;
const PATIENCE_MS = 10000;
const MOST_FAILURES = 5;

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

async function ask(address) {
  const answer = await fetch(address, {
    headers: { Accept: "application/json" }, credentials: "same-origin", redirect: "error",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

async function watch(box) {
  let failures = 0;
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    if (document.hidden) continue;
    try {
      const live = await ask(box.dataset.live);
      if (live === null) break;
      failures = 0;
      if (show(box, live)) { location.reload(); return; }
    } catch {
      failures += 1;
      if (failures >= MOST_FAILURES) break;
    }
  }
  say(box, text("stopped"));
}

for (const box of document.querySelectorAll("[data-live]")) watch(box);
