"""What goes on now, for the script of a page that is looked at."""

import msgspec

from vault_service.console.overview.at_a_glance import looking
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.recovery.acting import Acting
from vault_service.recovery.progress import Turn, pace_of, turns
from vault_service.recovery.work_list import all_gatherings
from vault_service.web import texts
from vault_service.web.times import number, span
from vault_service.web.view import Nothing, Reply, Told, Visit


class LiveTurn(msgspec.Struct, frozen=True):
    """A rotation; `says` in the reader's language."""

    id: str
    state: str
    looked_at: int
    of: int
    count: str
    says: str


class LiveCeremony(msgspec.Struct, frozen=True):
    """A ceremony that waits for shares."""

    id: str
    shares: int
    need: int
    count: str


class Live(msgspec.Struct, frozen=True):
    """All of it."""

    rotations: tuple[LiveTurn, ...]
    ceremonies: tuple[LiveCeremony, ...]


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """Asked every few seconds; it keeps no session alive."""
    return Told(live(visit.services, looking(visit)))


def live(services: Services, acting: Acting) -> Live:
    """As it is now."""
    parts, need = services.recovery, acting.manifest.quorum.base
    gathered = all_gatherings(parts, acting.trusted)
    return Live(
        tuple(_turn(services, each) for each in turns(parts)),
        tuple(
            LiveCeremony(
                str(each.ceremony), len(each.handed_in), need, f"{len(each.handed_in)} / {need}"
            )
            for each in gathered
        ),
    )  # fmt: skip


def _turn(services: Services, turn: Turn) -> LiveTurn:
    count = f"{number(turn.looked_at)} / {number(turn.of)}"
    return LiveTurn(str(turn.rotation), turn.state, turn.looked_at, turn.of, count, says_of(services, turn))


def says_of(services: Services, turn: Turn) -> str:
    """How fast it goes and what is left, in a line."""
    moved = texts.say("%(n)s wraps moved", n=number(turn.rewrapped))
    if turn.state == "finished":
        return moved
    if turn.state == "paused":
        return f"{moved}, {texts.say('paused: it goes on where it is')}"
    per_s = pace_of(services.recovery, turn)
    if per_s <= 0:
        return f"{moved}, {texts.say('waiting for a worker')}"
    left = max(0, turn.of - turn.looked_at)
    fast = texts.say("%(n)s users a second", n=number(round(per_s, 1 if per_s < 10 else 0)))
    rest = texts.say("about %(span)s left", span=span(left / per_s)) if left else texts.say("a last look")
    return f"{moved}, {fast}, {rest}"
