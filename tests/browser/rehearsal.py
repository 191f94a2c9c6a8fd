"""The pages' scripts with a server that a test plays: what they send, and what they make of answers."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, Error, Page, Request, Route

from tests.browser.chromium import Authenticator, new_context
from vault_service.web.safety import headers_of_pages
from vault_service.web.static_files import StaticFiles
from vault_service.web.templates import make_templates

ORIGIN = "http://localhost"  # browsers give passkeys to secure contexts only; this is one
_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
CONSOLE = ("vault_service.web", "vault_service.console")
USER_PAGE = ("vault_service.web", "vault_service.api.user_page")
_LOOKS = 1000
_GO_ON = """
async () => {
    for (let turn = 0; turn < 5; turn += 1) {
        const {port1, port2} = new MessageChannel();  // timers stand still
        await new Promise((done) => { port1.onmessage = done; port2.postMessage(0); });
    }
}"""
_MAKE = """
async () => {
    const made = await navigator.credentials.create({publicKey: {
        rp: {id: "localhost", name: "tests"}, challenge: new Uint8Array(32),
        user: {id: new Uint8Array(16), name: "somebody", displayName: "somebody"},
        pubKeyCredParams: [{type: "public-key", alg: -7}],
        authenticatorSelection: {residentKey: "required", userVerification: "required"},
        extensions: {prf: {}},
    }});
    return Array.from(new Uint8Array(made.rawId), (each) => each.toString(16).padStart(2, "0")).join("");
}"""


@dataclass
class Rehearsal:
    """One page; its pages' policy is the real one."""

    page: Page
    authenticator: Authenticator
    packages: tuple[str, ...]
    html: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list[tuple[int, Any]])
    """What the server says to what a script asks, in its order; bytes are sent as they are."""
    sent: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    """Path and JSON of what scripts have posted; None of what they have got."""
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    opened: list[str] = field(default_factory=list[str])
    """Paths of the documents that the browser asked for."""
    held: list[Route] = field(default_factory=list[Route])
    """What was asked while the next of `answers` was HELD; for the test to fulfil."""
    under_way: list[Request] = field(default_factory=list[Request])
    """What was answered and has not come to the page yet."""

    @classmethod
    def in_(cls, browser: Browser, packages: tuple[str, ...] = CONSOLE) -> "Rehearsal":
        """In a context of its own, with a virtual authenticator."""
        page = new_context(browser).new_page()
        made = cls(page, Authenticator.of(page), packages)
        page.route("**/*", made._answer)
        for end in ("requestfinished", "requestfailed"):
            page.on(end, made._has_come)
        return made

    def stop_the_clock(self) -> None:
        """The page's time passes when a test says so; a clock that is installed only goes on by itself."""
        self.page.clock.install(time=0)
        self.page.clock.pause_at(1)

    def make_passkey(self) -> str:
        """Its credential id, as hex."""
        self.show("")
        made: str = self.page.evaluate(_MAKE)
        return made

    def show(self, main: str, *scripts: str, head: str = "", at: str = "/page") -> Page:
        """A page of these parts; without other scripts with passkey.js, and the texts that belong to it."""
        parts = "".join(f'<script type="module" src="/{each}"></script>' for each in scripts)
        self.html = "<!doctype html><html lang=en><head><title>x</title>"
        self.html += f"{head}</head><body>{main}{parts or render('passkey/parts.html')}"
        return self.open(at)

    def open(self, at: str) -> Page:
        """What was made of the page before is gone; nothing is answered yet."""
        for each in (self.answers, self.sent, self.headers, self.opened, self.under_way):
            each.clear()
        self.page.goto(f"{ORIGIN}{at}")
        return self.page

    def pass_time(self, ms: int) -> None:
        """On the page's clock; once more while a script that was late has not asked for its answer."""
        self.page.clock.run_for(ms)
        for _ in range(_LOOKS):
            if not (self.answers or self.under_way):
                break
            self.page.wait_for_timeout(20)
            if self.answers:
                self.page.clock.run_for(ms)
        with contextlib.suppress(Error):  # that it loads itself anew
            self.page.evaluate(_GO_ON)

    def _has_come(self, asked: Request) -> None:
        if asked in self.under_way:
            self.under_way.remove(asked)

    def _answer(self, route: Route) -> None:
        asked = route.request
        path = asked.url.removeprefix(ORIGIN)
        if path.endswith((".js", ".css", ".svg")):
            name = path.removeprefix("/")
            route.fulfill(body=self._static(name), content_type=_TYPES[name.rpartition(".")[2]])
        elif asked.is_navigation_request():
            self.opened.append(path)
            route.fulfill(
                body=self.html, content_type="text/html", headers=dict(headers_of_pages(https=False))
            )
        else:
            self.sent.append((path, asked.post_data_json if asked.method == "POST" else None))
            self.headers.append(asked.headers)
            if not self.answers:
                return route.abort()
            status, content = self.answers.pop(0)
            if content is HELD:
                return self.held.append(route)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.under_way.append(asked)
            route.fulfill(status=status, body=body, content_type="application/json")
        return None

    def _static(self, name: str) -> str:
        found = next(
            path for each in self.packages if (path := files(each).joinpath("static", name)).is_file()
        )
        return found.read_text()


def render(template: str, **values: Any) -> str:
    """One of the console's, for nobody who is signed in; its scripts by their plain names."""
    templates = make_templates(StaticFiles.of(*CONSOLE), "", "vault_service.console")
    templates.globals["static"] = lambda name: f"/{name}"
    frame: dict[str, Any] = {
        "who": None,
        "language": "en",
        "languages": (),
        "site_name": "x",
        "site_line": "x",
        "here": "/",
    }
    frame["site"] = {"prefix": ""}
    return templates.get_template(template).render(csrf_field="", page_path="/", **frame, **values)


HELD = object()
OK, REFUSED = HTTPStatus.OK.value, HTTPStatus.FORBIDDEN.value
