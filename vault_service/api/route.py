"""What a route declares: who may ask, what it takes, what it gives, how it refuses.

The app's routing, the strict reading of requests, the OpenAPI document and the human documentation
all come from this one declaration, so that they cannot differ.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.api.services import Services
from vault_service.api.who import Who
from vault_service.domain.errors import VaultError

W = TypeVar("W")  # who is asking: AppKey, SessionToken or None
T = TypeVar("T")  # what the route takes

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
RequestHeader = Literal["Idempotency-Key", "If-Match", "If-None-Match"]

Moment = Annotated[datetime, Meta(tz=True)]  # without its zone the document would not call it a date-time
NO_ID = UUID(int=0)
KIB = 1024
MAX_BODY = KIB * KIB  # bytes
JSON = "application/json"


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what a route takes: query parameters of a GET, else the members of the body."""

    def __repr__(self) -> str:
        """No member: most hold personal data or passwords, and a repr ends up in tracebacks."""
        return type(self).__name__


class Nothing(Taken, frozen=True):
    """For a route that takes neither parameters nor a body."""


@dataclass(frozen=True, slots=True)
class Call(Generic[W, T]):
    """One request, checked in form."""

    services: Services
    who: W
    asked: T
    path: Mapping[str, str]
    headers: Mapping[str, str]

    def id(self, name: str) -> UUID:
        """An id from the path; of anything but a UUID in its usual spelling, the id that nothing has.

        It is not refused here: the use case first finds out who is asking, and a stranger must not get
        another answer than 401.
        """
        try:
            found = UUID(self.path[name])
        except ValueError:
            return NO_ID
        return found if str(found) == self.path[name].lower() else NO_ID


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers: a document, a stream of JSON lines, or nothing."""

    status: int
    content: msgspec.Struct | Iterator[bytes] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Gives:
    """One way in which a route succeeds."""

    status: int
    shape: type[msgspec.Struct] | None
    description: str
    headers: tuple[str, ...] = ()
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Route(Generic[W, T]):
    """One operation of the API."""

    method: Method
    path: str  # as OpenAPI writes it: /v1/records/{record_id}
    who: Who[W]
    takes: type[T]
    gives: tuple[Gives, ...]
    refuses: tuple[type[VaultError], ...]
    handler: Callable[[Call[W, T]], Reply]
    headers: tuple[RequestHeader, ...] = ()
    media_types: tuple[str, ...] = (JSON,)
    max_body: int = MAX_BODY
    max_depth: int = 34  # of nested JSON: 32 for a record's fields and what stands around them
    example: str | None = None  # a JSON body, or a query string

    @property
    def name(self) -> str:
        """Unique among all routes."""
        return self.handler.__name__

    @property
    def has_body(self) -> bool:
        """Is there a body to read?"""
        return self.method != "GET" and self.takes is not Nothing


AnyRoute = Route[Any, Any]


def route(
    method: Method,
    path: str,
    *,
    who: Who[W],
    takes: type[T],
    gives: Gives | tuple[Gives, ...],
    refuses: tuple[type[VaultError], ...] = (),
    headers: tuple[RequestHeader, ...] = (),
    media_types: tuple[str, ...] = (JSON,),
    max_body: int = MAX_BODY,
    max_depth: int = 34,
    example: str | None = None,
) -> Callable[[Callable[[Call[W, T]], Reply]], Route[W, T]]:
    """Turn a handler into a Route; its docstring becomes the documentation."""

    def declare(handler: Callable[[Call[W, T]], Reply]) -> Route[W, T]:
        ways = gives if isinstance(gives, tuple) else (gives,)
        return Route(
            method, path, who, takes, ways, refuses, handler, headers, media_types, max_body, max_depth,
            example,
        )  # fmt: skip

    return declare
