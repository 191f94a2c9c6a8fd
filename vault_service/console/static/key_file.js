// The fallback for passkeys that derive no key: the officer keeps the share key in a file under a passphrase.
//
// The file is opened here, in the browser; neither it nor the passphrase is ever sent.

/** Ask for the file and its passphrase: {content, passphrase}; null, where that may be: go on without it. */
export function askForKeyFile({ mayGoOnWithout = false } = {}) {
  const dialog = document.getElementById("key-file-dialog");
  const form = dialog.querySelector("form");
  const file = form.elements.namedItem("key_file");
  const passphrase = form.elements.namedItem("passphrase");
  form.querySelector('[value="without"]').hidden = !mayGoOnWithout;
  form.reset();
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const settle = (how, value) => {
      done.abort();
      form.reset(); // the passphrase stays in no field
      dialog.close();
      how(value);
    };
    const cancelled = () => settle(reject, new DOMException("", "AbortError"));
    form.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        event.stopPropagation();
        const wish = event.submitter?.value;
        if (wish === "cancel") return cancelled();
        if (wish === "without") return settle(resolve, null);
        const given = passphrase.value;
        try {
          settle(resolve, { content: await file.files[0].text(), passphrase: given });
        } catch (error) {
          settle(reject, error); // it was moved or changed since it was chosen
        }
      },
      { signal: done.signal },
    );
    // However it is closed: a browser does not always let itself be asked first (HTML, close watchers).
    dialog.addEventListener("close", cancelled, { signal: done.signal });
  });
}
