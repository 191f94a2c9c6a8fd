// HPKE (RFC 9180), base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message, by the
// browser's own cryptography. The counterpart of crypto/hpke.py: what one seals the other opens.
// Points are uncompressed, 65 bytes; a sealed message is the encapsulated key, then ciphertext and tag.

const POINT_BYTES = 65;
const HASH_BYTES = 32;
const TAG_BYTES = 16;
const CURVE = { name: "ECDH", namedCurve: "P-256" };

const ascii = (text) => new TextEncoder().encode(text);
const VERSION = ascii("HPKE-v1");
const KEM = joined(ascii("KEM"), Uint8Array.of(0x00, 0x10));
const SUITE = joined(ascii("HPKE"), Uint8Array.of(0x00, 0x10, 0x00, 0x01, 0x00, 0x02));

/** One array of bytes after the other. */
export function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Seal to a public key; `info` binds the context. Throws for what is no point of the curve. */
export async function sealTo(publicPoint, info, plaintext) {
  const recipient = await point(publicPoint);
  const ephemeral = await crypto.subtle.generateKey(CURVE, false, ["deriveBits"]);
  const enc = new Uint8Array(await crypto.subtle.exportKey("raw", ephemeral.publicKey));
  const shared = await sharedSecret(ephemeral.privateKey, recipient, enc, publicPoint);
  const { key, nonce } = await keySchedule(shared, info);
  const sealing = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, sealing, plaintext);
  return joined(enc, new Uint8Array(sealed));
}

/**
 * Open what was sealed to a key pair: `privateKey` a CryptoKey that may derive bits, `publicPoint` its public
 * half. Throws for anything else.
 */
export async function openWith(privateKey, publicPoint, info, blob) {
  if (blob.length < POINT_BYTES + TAG_BYTES) {
    throw new RangeError("too short to be sealed");
  }
  const shared = await decapsulate(privateKey, publicPoint, blob.subarray(0, POINT_BYTES));
  const { key, nonce } = await keySchedule(shared, info);
  const opening = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const iv = { name: "AES-GCM", iv: nonce };
  return new Uint8Array(await crypto.subtle.decrypt(iv, opening, blob.subarray(POINT_BYTES)));
}

/** The shared secret of an encapsulated key (section 4.1, Decap). */
export async function decapsulate(privateKey, publicPoint, enc) {
  return sharedSecret(privateKey, await point(enc), enc, publicPoint);
}

/** Key and nonce of the first message (section 5.1; mode base, no psk). */
export async function keySchedule(shared, info) {
  const nothing = new Uint8Array();
  const pskIdHash = await extract(SUITE, nothing, "psk_id_hash", nothing);
  const infoHash = await extract(SUITE, nothing, "info_hash", info);
  const schedule = joined(Uint8Array.of(0x00), pskIdHash, infoHash);
  const secret = await extract(SUITE, shared, "secret", nothing);
  const key = await expand(SUITE, secret, "key", schedule, 32);
  const nonce = await expand(SUITE, secret, "base_nonce", schedule, 12);
  return { key, nonce };
}

/** Whoever imports a point checks that it lies on the curve (Web Cryptography API, section 24.4). */
function point(raw) {
  if (raw.length !== POINT_BYTES || raw[0] !== 4) {
    throw new RangeError("not an uncompressed point");
  }
  return crypto.subtle.importKey("raw", raw, CURVE, false, []);
}

async function sharedSecret(privateKey, peer, enc, recipientPoint) {
  const bits = await crypto.subtle.deriveBits({ name: "ECDH", public: peer }, privateKey, 8 * HASH_BYTES);
  const prk = await extract(KEM, new Uint8Array(), "eae_prk", new Uint8Array(bits));
  return expand(KEM, prk, "shared_secret", joined(enc, recipientPoint), HASH_BYTES);
}

function extract(suite, salt, label, ikm) {
  return hmac(salt, joined(VERSION, suite, ascii(label), ikm));
}

/** HKDF-Expand (RFC 5869, section 2.3) of at most one block, which is one HMAC. */
async function expand(suite, prk, label, info, length) {
  const labeled = joined(Uint8Array.of(0, length), VERSION, suite, ascii(label), info);
  return (await hmac(prk, joined(labeled, Uint8Array.of(1)))).subarray(0, length);
}

/** A key of no bytes is one of zeros to HMAC, and the browser takes only the latter. */
async function hmac(key, data) {
  const raw = key.length === 0 ? new Uint8Array(HASH_BYTES) : key;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}
