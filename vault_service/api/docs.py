"""The documentation for people, at /docs: one page, rendered once, which loads nothing from anywhere."""

import base64
import hashlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jinja2

from vault_service.api.openapi import Json, describe_api, refusals
from vault_service.api.route import AnyRoute
from vault_service.domain.errors import ManifestError, MethodNotAllowedError, NoSuchRouteError, VaultError
from vault_service.web.problems import status_of, title_of

_TEMPLATES = Path(__file__).parent / "templates"
# Answered without any route's doing, or in place of any that asks the key service.
_BESIDE_ROUTES = (NoSuchRouteError, MethodNotAllowedError, ManifestError)


@dataclass(frozen=True, slots=True)
class DocsPage:
    """The page, and the policy under which a browser shows it."""

    html: bytes
    content_security_policy: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A parameter or a member of a body."""

    name: str
    place: str
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class _Section:
    """One route, as the template shows it."""

    route: AnyRoute
    operation: Json
    curl: str
    parameters: tuple[_Part, ...]
    members: tuple[_Part, ...]  # of the body
    answers: tuple[_Part, ...]  # members of what it gives that do not speak for themselves
    refusals: tuple[tuple[int, str], ...]  # status and code, in that order

    @property
    def anchor(self) -> str:
        """Where the page shows it."""
        return self.route.name.replace("_", "-")


def render_docs(routes: tuple[AnyRoute, ...]) -> DocsPage:
    """Render the page from the routes and their OpenAPI document."""
    document = describe_api(routes)
    style = (_TEMPLATES / "docs.css").read_text("utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    html = environment.get_template("docs.html").render(
        info=document["info"],
        style=style,
        sections=[_section(route, document) for route in routes],
        problems=_problems(kind for kind in _everywhere(VaultError) if _is_answered(kind, routes)),
        others=_problems(kind for kind in _everywhere(VaultError) if not _is_answered(kind, routes)),
    )
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
    return DocsPage(html.encode("utf-8"), policy)


def _section(route: AnyRoute, document: Json) -> _Section:
    operation = document["paths"][route.path][route.method.lower()]
    schemas = document["components"]["schemas"]
    parameters = tuple(
        _Part(p["name"], p["in"], p["required"], p.get("description") or _meaning(p["schema"]))
        for p in operation["parameters"]
    )
    members: tuple[_Part, ...] = ()
    if route.has_body:
        members = _members(schemas[route.takes.__name__])
    shapes = dict.fromkeys(way.shape.__name__ for way in route.gives if way.shape is not None)
    answers = tuple(part for name in shapes for part in _members(schemas[name]) if part.meaning)
    said = sorted((int(status_of(kind)), kind.code) for kind in refusals(route) if kind is not VaultError)
    return _Section(route, operation, _curl(route), parameters, members, answers, tuple(said))


def _members(schema: Json) -> tuple[_Part, ...]:
    required: list[str] = schema.get("required", [])
    return tuple(
        _Part(name, "body", name in required, _meaning(each)) for name, each in schema["properties"].items()
    )


def _meaning(schema: Json) -> str:
    """Its description, or that of what it may be, or of what it is a list of."""
    inner: list[Json] = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    said: list[str] = [schema.get("description", ""), *(_meaning(each) for each in inner)]
    return next((each for each in said if each), "")


def _curl(route: AnyRoute) -> str:
    """A line to paste, with the address and the keys in shell variables."""
    address = f"$VAULT{route.path}".replace("{record_id}", "$RECORD_ID")
    address = address.replace("{user_id}", "$USER_ID").replace("{session_id}", "$SESSION_ID")
    address = address.replace("{case_id}", "$CASE_ID")
    if route.method == "GET" and route.example:
        address += f"?{route.example}"
    method = "" if route.method == "GET" else f"-X {route.method} "
    parts = [f'curl {method}"{address}"']
    if route.who.scheme:
        parts.append(f'-H "Authorization: Bearer ${route.who.scheme.upper()}"')
    if route.has_body:
        parts.append(f"-H {shlex.quote(f'Content-Type: {route.media_types[0]}')}")
        if route.example:
            parts.append(f"-d {shlex.quote(route.example)}")
    return " \\\n  ".join(parts)


def _problems(kinds: Iterable[type[VaultError]]) -> list[dict[str, str | int]]:
    own = [kind for kind in kinds if "code" in vars(kind)]  # others share an ancestor's
    return [
        {"code": kind.code, "status": int(status_of(kind)), "title": title_of(kind), "remedy": kind.remedy}
        for kind in sorted(own, key=lambda kind: (status_of(kind), kind.code))
    ]


def _is_answered(kind: type[VaultError], routes: Iterable[AnyRoute]) -> bool:
    """Does a route of this API answer it, or what it is a case of?"""
    declared = {each for route in routes for each in refusals(route)} - {VaultError}
    return kind is VaultError or issubclass(kind, (*declared, *_BESIDE_ROUTES))


def _everywhere(root: type[VaultError]) -> set[type[VaultError]]:
    """All errors that have a status of their own, so that each problem's `type` leads somewhere."""
    return {root}.union(*(_everywhere(child) for child in root.__subclasses__()))
