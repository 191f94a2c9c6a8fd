"""Many hostile strings at once in a real browser: what ran, and what the browser makes of a page's markup."""

from collections.abc import Sequence

from playwright.sync_api import Dialog, Page

HOOK = """
window.ran = [];
for (const name of ["alert", "confirm", "prompt"]) window[name] = (said) => window.ran.push(String(said));
document.addEventListener("securitypolicyviolation", (event) => window.ran.push(event.violatedDirective));
"""
# What could run or lead away: a script that is not ours, a handler, a style, an address elsewhere.
_GRAVE = """
(prefix) => [...document.querySelectorAll("*")].flatMap((each) => {
    const found = each.localName === "script" && !each.getAttribute("src")?.startsWith(`${prefix}/static/`)
        ? ["script"] : [];
    if (["iframe", "object", "embed", "base", "img"].includes(each.localName)) found.push(each.localName);
    for (const { name, value } of each.attributes) {
        const leads = ["href", "src", "action", "formaction", "srcdoc", "style"].includes(name);
        const stays = /^([#?]|[/](?![/\\\\]))/.test(value);
        if (name.startsWith("on") || (leads && !stays)) found.push(`${each.localName} ${name}`);
    }
    return found;
})"""
# The browser's own parser, which runs nothing: each element with the names of its attributes.
_MARKUP = """
(pages) => pages.map((html) => [...new DOMParser().parseFromString(html, "text/html").querySelectorAll("*")]
    .map((each) => [each.localName, ...each.getAttributeNames()].join(" ")).join("\\n"))"""


def watch(page: Page) -> list[str]:
    """Dialogs of this page, as they come; the hook is in each of its documents from now on."""
    seen: list[str] = []

    def close(dialog: Dialog) -> None:
        seen.append(dialog.message)
        dialog.dismiss()

    page.add_init_script(HOOK)
    page.on("dialog", close)
    return seen


def grave(page: Page, prefix: str = "") -> list[str]:
    """What ran in the page, what its policy stopped, and what in its markup would have."""
    found: list[str] = page.evaluate("window.ran") + page.evaluate(_GRAVE, prefix)
    return found


def markup_of(page: Page, answers: Sequence[str]) -> list[str]:
    """Elements with the names of their attributes, a line each. `page`: one that forbids nothing."""
    found: list[str] = page.evaluate(_MARKUP, list(answers))
    return found
