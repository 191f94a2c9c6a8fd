"""A site of pages as a WSGI application: who is asking, what they may, and how they are answered.

Rules:
- A POST must come from this very origin (Origin, and Sec-Fetch-Site where the browser sends it) and, of
  somebody who is signed in, carry the CSRF token of their session: another site's form has neither.
- Its body is a form or JSON, by its media type; text/plain and multipart, which forms of other sites can
  send without asking, are refused.
- A GET is opened as a page of its own or by our own scripts, never as a part of a neighbour's page: SameSite
  cookies come along there, and who looks at or downloads data leaves entries in a log.
- Whoever is not signed in is shown the way to sign in, and nothing else; then the page that was asked for.
- Errors are pages for people, and problem documents for scripts. What only a script can go on with is given
  to no form: where the page's script did not run, a page says so.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import jinja2
import msgspec
import structlog
from flask import Flask, Response, g, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from vault_service.domain.errors import (
    BodyTooLargeError,
    CallerRefusedError,
    ConfigurationError,
    InvalidInputError,
    MethodNotAllowedError,
    NoSuchRouteError,
    SealBrokenError,
    VaultError,
)
from vault_service.domain.web_errors import (
    FailedInsideError,
    NotSignedInError,
    ScriptNeededError,
    WrongOriginError,
)
from vault_service.logs import describe
from vault_service.web import texts
from vault_service.web.drain import drain
from vault_service.web.language import COOKIE, choose
from vault_service.web.problems import remedy_for_people, status_of, told
from vault_service.web.reading import JSON, read_body, read_query
from vault_service.web.safety import headers_of_pages
from vault_service.web.static_files import StaticFiles
from vault_service.web.view import Download, GoTo, Picture, Reply, Shown, Told, View, Visit

_log = structlog.get_logger("web")
S = TypeVar("S")
W = TypeVar("W")
_W_co = TypeVar("_W_co", covariant=True)
_PARAMETER = re.compile(r"{(\w+)}")
_FIELD = Markup('<input type="hidden" name="csrf_token" value="{}">')  # in each form
_INSIDE = frozenset({VaultError, CallerRefusedError, ConfigurationError, SealBrokenError})
_LONGEST_BACK = 1000  # characters


class SignedIn(Protocol):
    """Somebody with a session."""

    @property
    def csrf_token(self) -> str:
        """Of this session; in each form and, for scripts, in X-CSRF-Token."""
        ...


class Door(Protocol[_W_co]):
    """Who comes with this session cookie."""

    @property
    def cookie(self) -> str:
        """Its name."""
        ...

    def who(self, value: str) -> _W_co | None:
        """None: nobody, or not any more."""
        ...


@dataclass(frozen=True, slots=True)
class Site(Generic[S, W]):
    """What a site is made of."""

    name: str  # of the Flask application: console, me
    origin: str  # https://console.example.org, as browsers say it
    services: S
    views: tuple[View[S, W], ...]
    door: Door[W]
    templates: jinja2.Environment
    sign_in: str  # where whoever is not signed in is sent
    static: StaticFiles
    prefix: str = ""  # what the site's addresses begin with on a host that it shares
    frame: str = "frame.html"  # the template that pages for errors stand in
    values: Callable[[W | None], Mapping[str, Any]] = field(default=lambda _: {})  # for every template


def add_to(app: Flask, site: Site[S, W]) -> None:
    """Serve the site's pages and files from this application."""
    language: View[S, W] = choose(site.prefix)
    for each in (*site.views, language):
        app.add_url_rule(
            _PARAMETER.sub(r"<\1>", each.path), f"{site.name} {each.name}", _answer(site, each),
            methods=[each.method], provide_automatic_options=False,
        )  # fmt: skip
    site.static.add_to(app, f"{site.prefix}/static/")


def create_site(site: Site[S, W]) -> Flask:
    """The site alone on its host."""
    app = Flask(f"vault_service.{site.name}", static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False
    add_to(app, site)
    app.register_error_handler(Exception, lambda error: _outside(site, error))
    return app


def _outside(site: Site[S, W], error: Exception) -> Response:
    """An address that there is not; whoever asks is not looked up for it."""
    _use_language()
    return _safe(_refuse(site, error), site)


def _safe(response: Response, site: Site[S, W]) -> Response:
    for name, value in headers_of_pages(https=site.origin.startswith("https://")).items():
        response.headers.setdefault(name, value)
    return response


def _use_language() -> None:
    """As somebody chose; else as the browser prefers, whatever country it adds: de-CH is de."""
    chosen = request.cookies.get(COOKIE, "")
    wished = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality > 0)
    texts.use(next((code for code in (chosen, *wished) if texts.language_of(code)), texts.ENGLISH))


def _answer(site: Site[S, W], view: View[S, W]) -> Callable[..., Response]:
    def answer(**path: str) -> Response:
        try:
            _use_language()
            response = _reply(site, _visited(site, view, path))
        except Exception as error:  # noqa: BLE001  # a page of this site answers, whatever it is
            response = _refuse(site, error)
        return _safe(response, site)

    return answer


def _visited(site: Site[S, W], view: View[S, W], path: Mapping[str, str]) -> Reply:
    cookie = request.cookies.get(site.door.cookie, "")
    who = site.door.who(cookie) if cookie else None
    g.who = who
    if view.method == "POST":
        _demand_own_origin(site)
    else:
        _demand_no_part_of_another_page()
    if who is None and not view.open_to_all:
        raise NotSignedInError
    asked = _asked(view, who)
    return view.handler(Visit(site.services, who, asked, path))  # type: ignore[arg-type]  # None only where open to all


def _demand_own_origin(site: Site[S, W]) -> None:
    """Raises WrongOriginError: a browser says with each POST where it comes from (Fetch, section 3.2).

    A form of a page that sends no referrer comes with `Origin: null`, as a stranger's may. Then
    Sec-Fetch-Site must say that it is our own page: every browser with passkeys sends it, and no page
    can set it.
    """
    origin, fetched_by = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if fetched_by not in {None, "same-origin"}:
        raise WrongOriginError
    if origin != site.origin and (origin, fetched_by) != ("null", "same-origin"):
        raise WrongOriginError


def _demand_no_part_of_another_page() -> None:
    """Raises WrongOriginError for an image, a frame or a script of another site's page, or of a neighbour's.

    Fetch Metadata (sections 2.1 to 2.3): no page can set these. A browser that sends none is let through.
    """
    mode, dest = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest", "document")
    from_elsewhere = request.headers.get("Sec-Fetch-Site") in {"same-site", "cross-site"}
    if from_elsewhere and (mode, dest) != ("navigate", "document"):
        raise WrongOriginError


def _asked(view: View[S, W], who: Any) -> Any:
    """Raises InvalidInputError, WrongTokenError, BodyTooLargeError."""
    if view.method == "GET":
        return read_query(view.takes, request)
    return read_body(view, request, None if who is None else who.csrf_token)


def _reply(site: Site[S, W], reply: Reply) -> Response:
    if isinstance(reply, Shown):
        response = Response(_page(site, reply), reply.status, content_type="text/html; charset=utf-8")
    elif isinstance(reply, GoTo):
        response = Response(status=HTTPStatus.SEE_OTHER, headers={"Location": reply.path})
    elif isinstance(reply, Told):
        if request.method == "POST" and request.mimetype != JSON:
            raise ScriptNeededError
        response = Response(msgspec.json.encode(reply.content), content_type=JSON)
    elif isinstance(reply, Picture):
        response = Response(reply.svg, content_type="image/svg+xml")
    else:
        named = {"Content-Disposition": f'attachment; filename="{reply.name}"'}
        response = Response(reply.chunks, headers=named, content_type=reply.media_type)
    if not isinstance(reply, Download | Picture):
        for line in reply.cookies:
            response.headers.add("Set-Cookie", line)
    return response


def _page(site: Site[S, W], shown: Shown) -> str:
    who = g.get("who")
    values = {
        "who": who,
        "site": site,
        "page_path": request.path,
        "here": _here(site),
        "csrf_field": _FIELD.format(who.csrf_token) if who is not None else Markup(),
        "language": texts.current().code,
        "languages": _languages(),
        **site.values(who),
        **shown.values,
    }
    return site.templates.get_template(shown.template).render(values)


def _languages() -> list[tuple[str, str]]:
    """To choose from; none on the answer to a form: what it shows, six words perhaps, or what was typed would
    be gone.
    """
    return [] if request.method == "POST" else [(each.code, each.name) for each in texts.languages()]


def _here(site: Site[S, W]) -> str:
    """Where somebody comes back to who has chosen a language."""
    if request.method == "GET" and len(request.full_path) < _LONGEST_BACK:
        return request.full_path.removesuffix("?")
    return f"{site.prefix}/"


def _sign_in_for(site: Site[S, W]) -> str:
    """The way to sign in, and afterwards to the page that was asked for."""
    wanted = _here(site)
    return (
        site.sign_in
        if wanted in {site.prefix, f"{site.prefix}/"}
        else f"{site.sign_in}?{urlencode({'then': wanted})}"
    )


def _refuse(site: Site[S, W], error: Exception) -> Response:
    drain(request)
    refusal = _for_people(_refusal(error))
    for_script = request.mimetype == JSON or request.headers.get("Accept", "").startswith(JSON)
    if isinstance(refusal, NotSignedInError) and request.method == "GET" and not for_script:
        return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": _sign_in_for(site)})
    status = status_of(type(refusal))
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("web.failed", part=site.name, **describe(error))
    if for_script:
        part = refusal.part if isinstance(refusal, InvalidInputError) else ""
        problem = Problem(refusal.code, told(refusal), remedy_for_people(refusal), part)
        return Response(msgspec.json.encode(problem), status, content_type="application/problem+json")
    try:
        return _reply(site, Shown("error.html", {"error": refusal}, status))
    except Exception as broken:  # noqa: BLE001  # the frame itself: nothing of it can be shown
        _log.error("web.failed", part=site.name, **describe(broken))
        return Response(f"{refusal.detail}\n", status, content_type="text/plain; charset=utf-8")


def _for_people(refusal: VaultError) -> VaultError:
    """Of what failed inside, a page tells as little as the API does: it is for the operator, in the log."""
    return FailedInsideError() if type(refusal) in _INSIDE else refusal


class Problem(msgspec.Struct, frozen=True):
    """What a script of a page shows of a refusal."""

    code: str
    detail: str
    remedy: str
    part: str = ""  # the name of the field that it is about


def _refusal(error: Exception) -> VaultError:
    """What the framework itself refuses is told in our words; its own may quote the request."""
    if isinstance(error, VaultError):
        return error
    if isinstance(error, NotFound):
        return NoSuchRouteError()
    if isinstance(error, MethodNotAllowed):
        return MethodNotAllowedError()
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLargeError()
    if isinstance(error, HTTPException) and (error.code or 500) < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidInputError("request", "not well-formed HTTP")
    return VaultError()
