// An officer's share of the escrow PIN, in the officer's own browser: opened with the share key that only
// the passkey (or the officer's key file) gives, sealed to one ceremony, and forgotten. The server sees
// neither the share nor the share key in the clear; no script does with the share key, which is not
// extractable once it is unwrapped.

import { fromHex, toHex } from "./bytes.js";
import { joined, openWith, sealTo } from "./hpke.js";

export const PASSPHRASE_ITERATIONS = 1000000; // PBKDF2-HMAC-SHA256; OWASP 2023 asks for 600,000 at least
const MOST_ITERATIONS = 10 * PASSPHRASE_ITERATIONS; // a file that asks for more would hang the page
const NONCE_BYTES = 12;
const CURVE = { name: "ECDH", namedCurve: "P-256" };

/** What keeps an officer from opening their own share, in the page's words (passkey/share_texts.html). */
export class ShareKeyError extends Error {
  constructor(code) {
    super(document.getElementById("share-texts")?.dataset[code] ?? code);
    this.shown = true;
  }
}

/** The key that wraps the share key, of what the passkey derived (WebAuthn PRF, 32 bytes). */
export async function keyOfPasskey(prfOutput, wrapInfo) {
  const derived = await crypto.subtle.importKey("raw", prfOutput, "HKDF", false, ["deriveKey"]);
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: wrapInfo },
    derived,
    { name: "AES-GCM", length: 256 },
    false,
    ["wrapKey", "unwrapKey"],
  );
}

/** The same of a passphrase, where the passkey derives none. */
export async function keyOfPassphrase(passphrase, salt, iterations) {
  const typed = new TextEncoder().encode(passphrase.normalize("NFC"));
  const secret = await crypto.subtle.importKey("raw", typed, "PBKDF2", false, ["deriveKey"]);
  return crypto.subtle.deriveKey(
    { name: "PBKDF2", hash: "SHA-256", salt, iterations },
    secret,
    { name: "AES-GCM", length: 256 },
    false,
    ["wrapKey", "unwrapKey"],
  );
}

/** Wrap the private half of a new share key (PKCS #8): nonce, ciphertext, tag. */
export async function wrapShareKey(privateKey, wrappingKey, wrapInfo) {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const how = { name: "AES-GCM", iv, additionalData: wrapInfo };
  return joined(iv, new Uint8Array(await crypto.subtle.wrapKey("pkcs8", privateKey, wrappingKey, how)));
}

/** The reverse: a key that derives, and that no script can read; but to be wrapped anew for a spare passkey. */
export function unwrapShareKey(wrapped, wrappingKey, wrapInfo, { toBeWrapped = false } = {}) {
  const how = { name: "AES-GCM", iv: wrapped.subarray(0, NONCE_BYTES), additionalData: wrapInfo };
  return crypto.subtle.unwrapKey(
    "pkcs8", wrapped.subarray(NONCE_BYTES), wrappingKey, how, CURVE, toBeWrapped, ["deriveBits"],
  );
}

/**
 * Open the shares that the server asks for, and seal each to its ceremony.
 *
 * `asked`: intents.AskedToSign. `prfOutput`: what the passkey derived, or null. `keyFilePrompt`: asked where the
 * share key is in a file: resolves to { content, passphrase }, or to null when the officer goes on without.
 * Gives intents.ReleasedShare objects, at most one for each ceremony and generation: of several sealed
 * shares, the one that opens. Throws ShareKeyError where the share key itself cannot be opened.
 */
export async function releaseShares(asked, prfOutput, keyFilePrompt) {
  if (asked.shares.length === 0) {
    return [];
  }
  const privateKey = await shareKey(asked, prfOutput, keyFilePrompt);
  if (privateKey === null) {
    return [];
  }
  const released = new Map();
  for (const share of asked.shares) {
    const place = `${share.ceremony_id} ${share.pin_gen}`;
    if (released.has(place)) {
      continue;
    }
    const sealed = await passOn(privateKey, fromHex(asked.share_key), share);
    if (sealed !== null) {
      const { ceremony_id, pin_gen } = share;
      released.set(place, { ceremony_id, pin_gen, sealed: toHex(sealed) });
    }
  }
  return [...released.values()];
}

async function shareKey(asked, prfOutput, keyFilePrompt) {
  const wrapInfo = fromHex(asked.wrap_info);
  if (asked.wrapped_share_key !== "") {
    if (!prfOutput) {
      throw new ShareKeyError("nothingDerived");
    }
    const wrappingKey = await keyOfPasskey(prfOutput, wrapInfo);
    return opened(unwrapShareKey(fromHex(asked.wrapped_share_key), wrappingKey, wrapInfo), "otherPasskey");
  }
  const given = await keyFilePrompt();
  if (!given) {
    return null;
  }
  const file = readKeyFile(given.content);
  const wrappingKey = await keyOfPassphrase(given.passphrase, file.salt, file.iterations);
  return opened(unwrapShareKey(file.wrapped, wrappingKey, wrapInfo), "otherFile");
}

/** What an officer without PRF keeps: see wrapShareKey. */
export function readKeyFile(text) {
  let file;
  try {
    const { v, salt, iterations, wrapped } = JSON.parse(text);
    file = { v, iterations, salt: fromHex(salt), wrapped: fromHex(wrapped) };
  } catch {
    throw new ShareKeyError("noKeyFile");
  }
  if (file.v !== 1 || !Number.isInteger(file.iterations)) {
    throw new ShareKeyError("noKeyFile");
  }
  if (file.iterations < 1 || file.iterations > MOST_ITERATIONS) {
    throw new ShareKeyError("alteredFile");
  }
  return file;
}

async function opened(unwrapping, otherwise) {
  try {
    return await unwrapping;
  } catch {
    throw new ShareKeyError(otherwise);
  }
}

/** Null: not this officer's, not of this generation, or rubbish that somebody put in its place. */
async function passOn(privateKey, publicPoint, share) {
  let words;
  try {
    words = await openWith(privateKey, publicPoint, fromHex(share.open_info), fromHex(share.sealed));
  } catch {
    return null;
  }
  try {
    return await sealTo(fromHex(share.ephemeral_pk), fromHex(share.release_info), words);
  } finally {
    words.fill(0);
  }
}
