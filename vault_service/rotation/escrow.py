"""Where the rotation of the escrow key stands, and which of the officers' steps is next.

    1 new-key      a key ceremony makes a key in the escrow token
    2 current      an officer change names it in the manifest: new users' keys are wrapped to it
    3 rewrap       an escrow rotation moves all older wraps to it, in a ceremony
    4 drill        a drill over everybody shows whether every wrap opens; only its report says it
    5 give-up      an officer change gives the old one up, and a ceremony destroys it

Each is a case: one officer opens it, others approve, a ceremony does it. What is broken off is done again
and goes on where it was; until the fifth, everything that is wrapped to the old key opens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from vault_service.rotation.status import Status

StepName = Literal["new-key", "current", "rewrap", "drill", "give-up"]
STEPS: tuple[StepName, ...] = get_args(StepName)


@dataclass(frozen=True, slots=True)
class Done:
    """A case that was executed, as far as this is about it; of a drill not what it found."""

    kind: str
    opened_at: datetime
    result: bytes | None
    everybody: bool


def next_of_officers(status: Status, executed: Sequence[Done] | None) -> StepName:
    """The step to take now. `executed`: newest first; None where cases cannot be read from here."""
    old = [row for row in status.of("escrow") if row.state == "retiring"]
    if any(status.needs.get(("escrow", row.gen)) for row in old):
        return "rewrap"
    if old:
        return "give-up" if _drilled(status, executed or ()) else "drill"
    made = next((each for each in executed or () if each.kind == "key-ceremony"), None)
    known = {row.fingerprint for row in status.of("escrow")}
    return "current" if made is not None and made.result and made.result.hex() not in known else "new-key"


def _drilled(status: Status, executed: Sequence[Done]) -> bool:
    rotation = status.rotation("escrow")
    since = status.current("escrow").since if rotation is None else rotation.ended_at
    if since is None:
        return False
    after = datetime.fromisoformat(since)
    return any(each.kind == "drill" and each.everybody and each.opened_at >= after for each in executed)
