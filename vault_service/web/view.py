"""What a page declares: its address, who may see it, what it takes; and what it answers.

Every safety rule (sign-in, CSRF, origin, headers) hangs on this declaration, so that no page can forget one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from vault_service.domain.errors import NoSuchRouteError

S = TypeVar("S")  # the use cases that the pages call
W = TypeVar("W")  # who is signed in
W_co = TypeVar("W_co", covariant=True)  # so that a page that nobody must sign in for is a page like others
T = TypeVar("T")  # what the page takes

KIB = 1024
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members of a query string (GET), of a form or of a JSON body (POST), all checked strictly."""

    def __repr__(self) -> str:
        """No member: some hold personal data or passwords, and a repr ends up in tracebacks."""
        return type(self).__name__


class Nothing(Taken, frozen=True):
    """For a page that takes nothing."""


@dataclass(frozen=True, slots=True)
class Visit(Generic[S, W_co, T]):
    """One request, once it is known to be whose it says."""

    services: S
    who: W_co  # of a page that is open to all: None where nobody is signed in
    asked: T
    path: Mapping[str, str]

    def id(self, name: str) -> UUID:
        """An id from the address. Raises NoSuchRouteError for anything but a UUID in its usual spelling."""
        try:
            found = UUID(self.path[name])
        except ValueError:
            raise NoSuchRouteError from None
        if str(found) != self.path[name]:
            raise NoSuchRouteError
        return found


@dataclass(frozen=True, slots=True)
class Shown:
    """A page."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    status: int = 200
    cookies: tuple[str, ...] = field(default=(), repr=False)  # Set-Cookie lines


@dataclass(frozen=True, slots=True)
class GoTo:
    """303 See Other: an address of this site, never one that somebody sent."""

    path: str
    cookies: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """`//host` and `\\host` lead away (an open redirect)."""
        if not self.path.startswith("/") or self.path[1:2] in {"/", "\\"} or not self.path.isprintable():
            raise ValueError("not an address of this site")


def own_path(path: str, prefix: str) -> str:
    """The path, if it is one of the site that has this prefix; else the site's first page."""
    try:
        return GoTo(path).path if path.startswith(f"{prefix}/") else f"{prefix}/"
    except ValueError:
        return f"{prefix}/"


@dataclass(frozen=True, slots=True)
class Told:
    """JSON for a script of the page."""

    content: msgspec.Struct = field(repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Download:
    """A file to keep; always an attachment, so that nothing in it runs here."""

    name: str  # of the file: letters, digits, dots, hyphens
    media_type: str
    chunks: Iterator[bytes] = field(repr=False)

    def __post_init__(self) -> None:
        """It stands in a header: a quote or a line break would write others there."""
        if not _FILE_NAME.fullmatch(self.name):
            raise ValueError("not a file's name")


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG that this server drew."""

    svg: str = field(repr=False)


Reply = Shown | GoTo | Told | Download | Picture


@dataclass(frozen=True, slots=True)
class View(Generic[S, W]):
    """One address of a site."""

    method: Literal["GET", "POST"]
    path: str  # /cases/{case_id}
    handler: Callable[[Visit[S, W, Any]], Reply]
    takes: type[Taken] = Nothing
    open_to_all: bool = False  # also to visitors who are not signed in
    max_body: int = 64 * KIB

    @property
    def name(self) -> str:
        """Unique within its site."""
        return f"{self.method} {self.path}"
