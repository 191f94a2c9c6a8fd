"""Is the process there, and is the vault truly usable."""

from http import HTTPStatus

import msgspec

from vault_service.api.route import Call, Gives, Nothing, Reply, route
from vault_service.api.services import Services
from vault_service.api.who import ANYBODY
from vault_service.domain.errors import UnavailableError, VaultError


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Ready(msgspec.Struct, frozen=True):
    """Each part was really tried."""

    status: str
    parts: dict[str, str]


class NotReadyError(UnavailableError):
    """A part of the service cannot be used at present."""

    def __init__(self, parts: dict[str, str]) -> None:
        super().__init__(", ".join(sorted(part for part, state in parts.items() if state != "ok")))
        self.parts = parts


@route(
    "GET", "/healthz", who=ANYBODY, takes=Nothing,
    gives=Gives(HTTPStatus.OK, Alive, "The process is there."),
)  # fmt: skip
def live(call: Call[None, Nothing]) -> Reply:
    """Tell that the process is there, whatever the parts it needs do."""
    del call
    return Reply(HTTPStatus.OK, Alive("ok"))


@route(
    "GET", "/readyz", who=ANYBODY, takes=Nothing,
    gives=Gives(HTTPStatus.OK, Ready, "Every part can be used."),
    refuses=(UnavailableError,),
)  # fmt: skip
def ready(call: Call[None, Nothing]) -> Reply:
    """Tell whether the vault is truly usable: token, both databases, both audit trails and logs, manifest.

    A 503 names each part with "ok" or the code of what is wrong.
    """
    parts = every_part(call.services)
    if any(state != "ok" for state in parts.values()):
        raise NotReadyError(parts)
    return Reply(HTTPStatus.OK, Ready("ok", parts))


def every_part(services: Services) -> dict[str, str]:
    """Each part by name: "ok", or the code of what is wrong; each is really tried."""
    return {**services.accounts.ready(), "records_log": _records_log(services)}


def _records_log(services: Services) -> str:
    try:
        services.records_log.demand()
    except VaultError as error:
        return error.code
    return "ok"


ROUTES = (live, ready)
