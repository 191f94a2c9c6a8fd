"""The console's own scripts in a page of their own: no server, only what the browser makes of them."""

from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, Page, Route

_ORIGIN = "http://localhost"  # browsers give their cryptography to secure contexts only; this is one
_STATIC = files("vault_service.console").joinpath("static")


def script_page(browser: Browser) -> Page:
    """A page in which `run` can import the console's modules."""
    page = browser.new_context().new_page()

    def fulfil(route: Route) -> None:
        name = route.request.url.removeprefix(f"{_ORIGIN}/")
        if name.endswith(".js"):
            route.fulfill(body=_STATIC.joinpath(name).read_text(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>scripts</title>", content_type="text/html")

    page.route("**/*", fulfil)
    page.goto(f"{_ORIGIN}/")
    return page


def run(page: Page, module: str, body: str, **values: Any) -> Any:
    """Evaluate `body`, an async function's, with the module's exports as `m` and the values as `v`.

    Bytes go in and come out as hex: see `hex` and `bytes` there.
    """
    script = f"""async (v) => {{
        const m = await import("/{module}");
        const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
        const digits = (each) => each.toString(16).padStart(2, "0");
        const hex = (found) => Array.from(new Uint8Array(found), digits).join("");
        const pair = (pkcs8) => crypto.subtle.importKey(
            "pkcs8", bytes(pkcs8), {{ name: "ECDH", namedCurve: "P-256" }}, true, ["deriveBits"]);
        {body}
    }}"""
    return page.evaluate(script, {name: _plain(value) for name, value in values.items()})


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
