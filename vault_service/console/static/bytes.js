// Bytes as the console's pages and scripts write them: hex.

export const toHex = (bytes) =>
  Array.from(new Uint8Array(bytes), (each) => each.toString(16).padStart(2, "0")).join("");

export const fromHex = (text) => {
  if (text.length % 2 || /[^0-9a-f]/.test(text)) throw new TypeError("not hex");
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
};
