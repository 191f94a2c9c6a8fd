// Enrol a passkey by invitation: see console/enrol.py for the steps.
//
// The share key is made here. Its private half leaves this page only wrapped: under what the passkey derives
// (WebAuthn PRF), or, where it derives nothing, under a passphrase in a file that the officer keeps. After the
// wrapping it is opened once again, so that nobody enrols with a key that does not open.
//
// Of an officer who keeps the passkey that they have, the share key is the one there is: that passkey opens it,
// for this page to wrap it once more, and signs that this new one is to stand beside it.

import { fromHex, toHex } from "./bytes.js";
import { askForKeyFile } from "./key_file.js";
import { carryOn, derivedBy, during, getAssertion, post, Refused, tellWhatHappens, toSend } from "./passkey.js";
import {
  PASSPHRASE_ITERATIONS, ShareKeyError, keyOfPasskey, keyOfPassphrase, readKeyFile, unwrapShareKey, wrapShareKey,
} from "./share.js";

const CURVE = { name: "ECDH", namedCurve: "P-256" };
const SALT_BYTES = 16;
const POINT_BYTES = 65; // of P-256, uncompressed
const page = document.getElementById("enrol");
const form = page.querySelector("form.make");
const said = page.dataset;

// The token leaves the address bar at once: nobody reads it over a shoulder, or finds it in the history. This
// tab remembers it for as long as it is open: whoever chooses another language loads the page anew.
const KEPT = "enrol-token";
const token = location.hash.slice(1) || sessionStorage.getItem(KEPT) || "";
sessionStorage.setItem(KEPT, token);
history.replaceState(null, "", location.pathname);

// The page is open, and the link is pasted again: it is no other page for a browser.
addEventListener("hashchange", () => location.hash && location.reload());

let offered; // what the server gave for this token
let made; // the passkey and the share key, while a file is being saved

const withLength = (bytes) => {
  const framed = new Uint8Array(4 + bytes.length);
  new DataView(framed.buffer).setUint32(0, bytes.length);
  framed.set(bytes, 4);
  return framed;
};

const joined = (...parts) => {
  const all = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of parts) {
    all.set(each, at);
    at += each.length;
  }
  return all;
};

async function begin() {
  offered = await post("/enrol/begin", { token });
  for (const place of page.querySelectorAll("[data-name]")) place.textContent = offered.name;
  page.querySelector("[data-has-passkey]").hidden = offered.present.length === 0;
  page.querySelector("[data-full]").hidden = !offered.is_full;
}

/** Whether what they make is a spare one. */
function isSpare() {
  if (offered.present.length === 0) return false;
  const chosen = form.elements.namedItem("keeps").value;
  if (!chosen) throw new Refused({ detail: said.choose });
  if (chosen === "beside" && offered.is_full) throw new Refused({ detail: said.full, part: "keeps" });
  return chosen === "beside";
}

/** The public key of a new passkey: the point at the end of its SubjectPublicKeyInfo. */
function publicKeyOf(created) {
  return new Uint8Array(created.response.getPublicKey()).slice(-POINT_BYTES);
}

/** The share key that the officer has, opened by a passkey that they have, which signs for the spare one. */
async function presentKey(spare) {
  tellWhatHappens(form, said.present);
  const message = joined(fromHex(offered.spare_begin), withLength(publicKeyOf(spare)));
  const credential = await getAssertion({
    challenge: toHex(await crypto.subtle.digest("SHA-256", message)),
    rp_id: offered.rp_id, prf_input: offered.prf_input,
    credential_ids: offered.present.map((each) => each.credential_id),
  });
  const present = offered.present.find((each) => each.credential_id === toHex(credential.rawId));
  const info = fromHex(present.wrap_info);
  const { key, wrapped } = await lockOf(present, derivedBy(credential), info);
  try {
    const privateKey = await unwrapShareKey(wrapped, key, info, { toBeWrapped: true });
    return { privateKey, point: fromHex(offered.share_key), beside: toSend(credential) };
  } catch {
    throw new ShareKeyError(present.wrapped_share_key ? "otherPasskey" : "otherFile");
  }
}

async function lockOf(present, secret, info) {
  if (present.wrapped_share_key) {
    if (!secret) throw new ShareKeyError("nothingDerived");
    return { key: await keyOfPasskey(secret, info), wrapped: fromHex(present.wrapped_share_key) };
  }
  const given = await askForKeyFile();
  const file = readKeyFile(given.content);
  return { key: await keyOfPassphrase(given.passphrase, file.salt, file.iterations), wrapped: file.wrapped };
}

async function newKey() {
  const pair = await crypto.subtle.generateKey(CURVE, true, ["deriveBits"]);
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { privateKey: pair.privateKey, point };
}

function create(spare) {
  const taken = [...offered.taken, ...(spare ? offered.present.map((each) => each.credential_id) : [])];
  return navigator.credentials.create({
    publicKey: {
      challenge: fromHex(offered.challenge),
      rp: { id: offered.rp_id, name: offered.rp_name },
      user: { id: fromHex(offered.user_handle), name: offered.name, displayName: offered.name },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      excludeCredentials: taken.map((id) => ({ type: "public-key", id: fromHex(id) })),
      attestation: "none",
      timeout: 300_000,
      extensions: { prf: { eval: { first: fromHex(offered.prf_input) } } },
    },
  });
}

/** What the new passkey derives; some do so only when they sign. Null: it derives nothing. */
async function derived(credential) {
  const results = credential.getClientExtensionResults().prf;
  const atOnce = derivedBy(credential);
  if (atOnce || !results?.enabled) return atOnce;
  tellWhatHappens(form, said.deriving);
  const asked = {
    challenge: toHex(crypto.getRandomValues(new Uint8Array(32))), // the signature itself is for nobody
    rp_id: offered.rp_id, credential_id: toHex(credential.rawId), prf_input: offered.prf_input,
  };
  return derivedBy(await getAssertion(asked));
}

async function makePasskey() {
  if (!offered) await begin(); // an attempt that failed used the last one up
  const spare = isSpare();
  tellWhatHappens(form, spare ? said.makingSpare : said.making);
  let credential;
  try {
    credential = await create(spare);
  } catch (error) {
    if (error.name === "InvalidStateError") throw new Refused({ detail: spare ? said.same : said.taken });
    throw error;
  }
  const secret = await derived(credential);
  const opened = spare ? await presentKey(credential) : await newKey();
  const { privateKey, point } = opened;
  const info = joined(fromHex(offered.wrap_info_begin), withLength(point));
  made = { credential, privateKey, point, info, beside: opened.beside };
  if (secret) {
    const key = await keyOfPasskey(secret, info);
    const wrapped = await wrapShareKey(privateKey, key, info);
    await unwrapShareKey(wrapped, key, info);
    await handIn(form, toHex(wrapped));
  } else {
    tellWhatHappens(form, "");
    form.hidden = true;
    fileForm.hidden = false;
    fileForm.querySelector("h2").focus();
  }
}

async function handIn(shownIn, wrapped) {
  const { response } = made.credential;
  const sent = {
    enrolment_id: offered.enrolment_id,
    attestation_object: toHex(response.attestationObject),
    client_data_json: toHex(response.clientDataJSON),
    share_key: toHex(made.point),
    wrapped_share_key: wrapped,
    beside: made.beside ?? null,
  };
  offered = made = undefined;
  await carryOn(shownIn, await post("/enrol/card", sent));
  sessionStorage.removeItem(KEPT);
}

// --- the file, where the passkey derives nothing

const fileForm = page.querySelector("form.file");

async function keepFile() {
  const [first, second] = ["new_passphrase", "again"].map((name) => fileForm.elements.namedItem(name).value);
  if (first !== second) throw new Refused({ detail: said.differ });
  if (Array.from(first).length < Number(said.least)) throw new Refused({ detail: said.short });
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const key = await keyOfPassphrase(first, salt, PASSPHRASE_ITERATIONS);
  const wrapped = await wrapShareKey(made.privateKey, key, made.info);
  const { officer_id, authenticator_id } = offered;
  const file = {
    v: 1, officer_id, authenticator_id, salt: toHex(salt), iterations: PASSPHRASE_ITERATIONS, wrapped: toHex(wrapped),
  };
  save(JSON.stringify(file, null, 2), `share-key-${authenticator_id}.json`);
  await check();
  await handIn(fileForm, "");
}

function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** That it was kept, and opens with what they think the passphrase is, shows only if they open it. */
async function check() {
  const given = await askForKeyFile();
  const file = readKeyFile(given.content);
  const key = await keyOfPassphrase(given.passphrase, file.salt, file.iterations);
  try {
    await unwrapShareKey(file.wrapped, key, made.info);
  } catch {
    throw new Refused({ detail: said.doesNotOpen });
  }
}

function onSubmit(shown, work) {
  shown.addEventListener("submit", (event) => {
    event.preventDefault();
    during(shown, work);
  });
}

onSubmit(form, makePasskey);
onSubmit(fileForm, keepFile);
for (const each of [form, fileForm]) tellWhatHappens(each, ""); // the region is there before it speaks
if (token) during(form, begin);
else {
  page.querySelector("[data-no-token]").hidden = false;
  form.hidden = true; // there is nothing that it could be sent for
}
