// Asks the server again and again while the page is in sight; that keeps nobody signed in.

const PATIENCE_MS = 10000;
const MOST_FAILURES = 5;

async function ask(address) {
  const answer = await fetch(address, {
    headers: { Accept: "application/json" }, credentials: "same-origin", redirect: "error",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

/** Until `seen` says true of an answer: then the result is true. False: signed out, or nobody answers. */
export async function poll(address, everyMs, seen) {
  let failures = 0;
  for (;;) {
    await new Promise((done) => setTimeout(done, everyMs));
    if (document.hidden) continue;
    try {
      const answer = await ask(address);
      if (answer === null) return false;
      failures = 0;
      if (seen(answer)) return true;
    } catch {
      failures += 1;
      if (failures >= MOST_FAILURES) return false;
    }
  }
}
