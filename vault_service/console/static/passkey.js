// Forms that a passkey signs: <form method="post" action="…" data-signed>.
//
// 1. The form's fields go to its action as JSON. The server answers with what is to be signed.
// 2. The passkey signs the challenge, its owner being verified; where shares are to be released it also
//    derives the key that opens the officer's share key, in the same act.
// 3. What it gave goes to /intents/{id}. The answer is another thing to sign, or where to go on, or something
//    to show: each member is put into the form's element with data-told="(its name)". What has data-told-with is
//    shown where that member is not empty; of a link with data-told-query it becomes the query of that name.
//
// Whatever is refused is told in the form's alert, which gets the focus. No text stands here: pages bring them
// along in their own language (passkey/parts.html).

import { fromHex, toHex } from "./bytes.js";
import { askForKeyFile } from "./key_file.js";
import { showTime } from "./times.js";

const texts = () => document.getElementById("passkey-texts").dataset;

/** Refused by the server: `detail` and `remedy` are for people, `part` is the field that it is about. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.remedy = problem.remedy;
    this.code = problem.code;
    this.part = problem.part;
  }
}

/** Send JSON to an address of this site. Throws Refused. */
export async function post(path, content) {
  const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token },
      body: JSON.stringify(content),
      redirect: "error",
    });
  } catch {
    throw new Refused({ detail: texts().unreachable, remedy: texts().again });
  }
  let told;
  try {
    told = await answer.json();
  } catch {
    throw new Refused({ detail: texts().unreachable, remedy: texts().again });
  }
  if (!answer.ok) throw new Refused(told);
  return told;
}

/** Fields as the server takes them; data-as="number", "boolean" or "list" where they are no text. */
export function fieldsOf(form, submitter) {
  const fields = {};
  for (const field of form.elements) {
    if (!field.name || field.name === "csrf_token" || field.disabled || field.type === "submit") continue;
    const kind = field.dataset.as;
    const ticks = field.type === "checkbox" || field.type === "radio";
    if (kind === "list") {
      fields[field.name] ??= [];
      if (field.tagName === "SELECT") fields[field.name].push(...Array.from(field.selectedOptions, (o) => o.value));
      else if (!ticks || field.checked) fields[field.name].push(field.value);
    } else if (kind === "boolean") fields[field.name] = field.checked;
    else if (ticks && !field.checked) continue;
    else if (kind === "number") {
      if (field.value !== "") fields[field.name] = Number(field.value);
    } else fields[field.name] = field.value;
  }
  if (submitter?.name) fields[submitter.name] = submitter.value;
  return fields;
}

/** Have the passkey sign. `asked`: intents.AskedToSign. Gives the credential as the browser does. */
export function getAssertion(asked) {
  const ids = asked.credential_ids ?? (asked.credential_id ? [asked.credential_id] : []);
  const allowed = ids.map((id) => ({ type: "public-key", id: fromHex(id) }));
  return navigator.credentials.get({
    publicKey: {
      challenge: fromHex(asked.challenge),
      rpId: asked.rp_id,
      allowCredentials: allowed,
      userVerification: "required",
      timeout: 100_000,
      extensions: asked.prf_input ? { prf: { eval: { first: fromHex(asked.prf_input) } } } : {},
    },
  });
}

/** What navigator.credentials.get() gave, as intents.Signed takes it. */
export function toSend(credential) {
  const { authenticatorData, clientDataJSON, signature, userHandle } = credential.response;
  return {
    authenticator_data: toHex(authenticatorData),
    client_data_json: toHex(clientDataJSON),
    signature: toHex(signature),
    credential_id: toHex(credential.rawId),
    user_handle: userHandle ? toHex(userHandle) : "",
  };
}

/** What the passkey derived (WebAuthn PRF), 32 bytes; null where it derives nothing. */
export function derivedBy(credential) {
  const derived = credential.getClientExtensionResults().prf?.results?.first;
  return derived ? new Uint8Array(derived) : null;
}

async function sign(asked, keyFile) {
  const credential = await getAssertion(asked);
  const sent = toSend(credential);
  if (asked.shares?.length) {
    const { releaseShares } = await import("./share.js");
    sent.released = await releaseShares(asked, derivedBy(credential), async () => keyFile);
  }
  return post(`/intents/${asked.intent_id}`, sent);
}

const needsFile = (asked) => asked.shares?.length && !asked.wrapped_share_key;

/** From the first answer of the server to the last. `anew`: asks the same again. `keyFile`: null: without it. */
export async function carryOn(form, answer, anew, keyFile) {
  while (answer.intent_id) {
    if (needsFile(answer) && keyFile === undefined) {
      keyFile = await askForKeyFile({ mayGoOnWithout: true }); // may take longer than a challenge is good for
      answer = await anew();
      continue;
    }
    tellWhatHappens(form, answer.says);
    answer = await sign(answer, keyFile);
  }
  tellWhatHappens(form, "");
  if (answer.location) goOn(answer.location);
  else showTold(form, answer);
}

// The same page anew: it shows what was done in another place, and begins at its top. Whoever does not see
// it at a glance is led there.
const DONE = "passkey-done";

function goOn(address) {
  if (new URL(address, location.href).pathname === location.pathname) sessionStorage.setItem(DONE, location.pathname);
  location.assign(address);
}

/** This page, as it is now; whoever was led to its outcome is led there again. */
export function loadAnew() {
  if (document.activeElement?.matches("[data-outcome]")) sessionStorage.setItem(DONE, location.pathname);
  location.reload();
}

function leadToOutcome() {
  const done = sessionStorage.getItem(DONE);
  sessionStorage.removeItem(DONE);
  if (done === location.pathname) document.querySelector("[data-outcome]")?.focus();
}

function showTold(form, told) {
  for (const [name, value] of Object.entries(told)) {
    for (const place of form.querySelectorAll(`[data-told="${CSS.escape(name)}"]`)) {
      if (place.tagName === "TIME") showMoment(place, value);
      else place.textContent = value;
      place.closest("[hidden]")?.removeAttribute("hidden");
    }
  }
  for (const part of form.querySelectorAll("[data-told-with]")) part.hidden = !told[part.dataset.toldWith];
  for (const link of form.querySelectorAll("a[data-told-query]")) {
    const { toldQuery, toldWith } = link.dataset;
    link.search = new URLSearchParams({ [toldQuery]: told[toldWith] });
  }
  form.reset(); // what was asked for is done
  form.querySelector("[data-told-first]")?.focus();
}

function showMoment(place, value) {
  place.dateTime = value;
  showTime(place);
}

function region(form, role) {
  let found = form.querySelector(`[role="${role}"][data-passkey]`);
  if (!found) {
    found = document.createElement("div");
    found.setAttribute("role", role);
    found.dataset.passkey = "";
    found.tabIndex = -1;
    if (role === "alert") form.prepend(found);
    else form.append(found); // below the button that was pressed: forms are long
  }
  return found;
}

export function tellWhatHappens(form, text) {
  region(form, "status").textContent = text;
}

/** Show what went wrong, in words, and lead there. */
export function tellProblem(form, error) {
  const words =
    error instanceof Refused ? [error.message, error.remedy]
    : error.name === "NotAllowedError" ? [texts().cancelled]
    : error.name === "AbortError" ? [texts().cancelled]
    : error.shown ? [error.message]
    : [texts().failed];
  const alert = region(form, "alert");
  alert.className = "problem";
  alert.replaceChildren(
    ...words.filter(Boolean).map((each) => {
      const line = document.createElement("p");
      line.textContent = each;
      return line;
    }),
  );
  if (error.code === "web.not_signed_in") {
    const link = document.createElement("a");
    link.href = `/sign-in?${new URLSearchParams({ then: location.pathname + location.search })}`;
    link.textContent = texts().signIn;
    alert.append(link);
  }
  tieTo(form, error.part, alert);
  alert.focus();
}

/** The field that a refusal is about says so too, until the form is sent again. */
function tieTo(form, name, alert) {
  const field = name ? form.elements.namedItem(name) : null;
  if (!field?.setAttribute || field.type === "hidden") return;
  alert.id ||= `problem-${name}`;
  field.dataset.describedBefore = field.getAttribute("aria-describedby") ?? "";
  field.setAttribute("aria-describedby", `${field.dataset.describedBefore} ${alert.id}`.trim());
  field.setAttribute("aria-invalid", "true");
}

function untie(form) {
  for (const field of form.querySelectorAll("[data-described-before]")) {
    const before = field.dataset.describedBefore;
    if (before) field.setAttribute("aria-describedby", before);
    else field.removeAttribute("aria-describedby");
    field.removeAttribute("aria-invalid");
    delete field.dataset.describedBefore;
  }
}

/** Do something for a form: its buttons rest meanwhile, and what goes wrong is shown in it. */
export async function during(form, work) {
  if (form.getAttribute("aria-busy") === "true") return;
  const buttons = form.querySelectorAll("button");
  form.setAttribute("aria-busy", "true");
  form.querySelector('[role="alert"][data-passkey]')?.replaceChildren();
  untie(form);
  for (const button of buttons) button.setAttribute("aria-disabled", "true"); // disabled, it would lose the focus
  try {
    await work();
  } catch (error) {
    tellWhatHappens(form, "");
    tellProblem(form, error);
  } finally {
    form.removeAttribute("aria-busy");
    for (const button of buttons) button.removeAttribute("aria-disabled");
  }
}

function onSubmit(event) {
  const form = event.target;
  if (!form.matches?.("form[data-signed]")) return;
  event.preventDefault();
  const { submitter } = event;
  during(form, async () => {
    if (!window.PublicKeyCredential) throw Object.assign(new Error(texts().unknown), { shown: true });
    const path = submitter?.hasAttribute("formaction") ? submitter.formAction : form.action;
    const fields = fieldsOf(form, submitter);
    const ask = () => post(path, fields);
    // Where it is known that a file will be needed it comes first: later it would cost a touch that was made.
    const keyFile = form.hasAttribute("data-key-file") ? await askForKeyFile({ mayGoOnWithout: true }) : undefined;
    await carryOn(form, await ask(), ask, keyFile);
  });
}

document.addEventListener("submit", onSubmit);
// What comes into a region is read out only if the region was there before.
for (const form of document.querySelectorAll("form[data-signed]")) tellWhatHappens(form, "");
leadToOutcome();
