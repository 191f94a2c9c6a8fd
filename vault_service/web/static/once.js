// A double click sends a form once. Forms that a passkey signs see to it by themselves (passkey.js).

const AGAIN_MS = 2000; // a form whose answer is a file stays where it is, and may be sent again

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "true";
  setTimeout(() => delete form.dataset.sent, AGAIN_MS);
});

// Back from the page that answered: some browsers show the form as it was left.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
