"""What comes next in the rotation of a kind, from how its generations and its rotation stand.

The first that fits:

    a rotation of it runs                      wait: the workers do it
    it is paused                               resume it
    its last one left wraps that do not open   put them right; the old generation stays until then
    an older generation is still needed        wraps: rotate again for the rest; else wait for what needs it
    an older generation is needed by nothing   verify, then retire it
    a destroyed one is still in its token      retire it once more: it ends where it was broken off
    a generation is prepared                   rotate: it becomes current
    its cryptoperiod has ended                 rotate
    else                                       nothing
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vault_service.domain.rotation import REWRAPPED, KeyKind
from vault_service.kms.protocol.rotation_messages import GenerationRow
from vault_service.rotation.status import Needs, Status

What = Literal[
    "running", "paused", "unreadable", "needed", "wait", "retire", "destroy", "prepared", "due", "nothing"
]


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `command` is to be typed as it stands, and empty where there is nothing to type."""

    what: What
    text: str
    command: str = ""


def next_step(status: Status, kind: KeyKind) -> Step:
    """What an operator does next about this kind."""
    return next(_steps(status, kind))


def _steps(status: Status, kind: KeyKind) -> Iterator[Step]:
    yield from _of_rotation(status, kind)
    rotate = f"vaultctl rotate {kind}"
    for row in status.of(kind):
        needs = status.needs.get((kind, row.gen), ())
        if row.state == "retiring" and needs and kind in REWRAPPED:
            yield Step("needed", f"{_still(row, needs)}: rotate what is left", rotate)
        elif row.state == "retiring" and needs:
            yield Step("wait", f"{_still(row, needs)}: it ends by itself, nothing is to be done until then")
        elif row.state == "retiring" and kind == "escrow":
            text = (
                f"nothing needs generation {row.gen} any more: officers drill over everybody, then give it up"
            )
            yield Step("retire", text, rotate)
        elif row.state == "retiring":
            first = "verify, then " if kind in REWRAPPED else ""
            text = f"nothing needs generation {row.gen} any more: {first}retire it once no backup does either"
            yield Step("retire", text, f"vaultctl rotate retire {kind} {row.gen}")
        elif row.state == "destroyed" and row.in_token:
            text = f"generation {row.gen} is given up, and its key is still in the token"
            yield Step(
                "destroy", text, f"vaultctl rotate retire {kind} {row.gen} --confirm {row.fingerprint}"
            )
    for row in status.of(kind):
        if row.state == "prepared":
            yield Step(
                "prepared", f"generation {row.gen} is prepared: rotate, and it becomes current", rotate
            )
    due = next((each for each in status.due if each.kind == kind), None)
    if due is not None and due.is_due(status.at):
        yield Step("due", f"due since {due.at:%Y-%m-%d}", rotate)
    until = "" if due is None or due.at is None else f" until {due.at:%Y-%m-%d}"
    yield Step("nothing", f"nothing{until}")


def _of_rotation(status: Status, kind: KeyKind) -> Iterator[Step]:
    rotation = status.rotation(kind)
    if rotation is None:
        return
    if rotation.state == "running":
        who = "a ceremony is" if kind == "escrow" else "the workers are"
        yield Step("running", f"{who} at it, nothing is to be done; to watch:", f"vaultctl rotate {kind}")
    elif rotation.state == "paused":
        yield Step("paused", "paused by an operator", f"vaultctl rotate resume {kind}")
    elif rotation.failed and any(status.needs.get((kind, row.gen)) for row in status.of(kind)):
        yield Step(
            "unreadable",
            f"{do_not_open(rotation.failed)}, left as it was: docs/runbooks/rotation.md",
            "vaultctl rotate status --failures",
        )


def _still(row: GenerationRow, needs: Needs) -> str:
    return f"generation {row.gen} is still needed by {counted(needs)}"


def do_not_open(number: int) -> str:
    """`1 wrap does not open`, `2 wraps do not open`."""
    return f"{number:,} wrap{' does' if number == 1 else 's do'} not open"


def counted(needs: Needs) -> str:
    """`12 password wraps, 1,003 open cases`."""
    return ", ".join(f"{number:,} {name}" for name, number in needs) or "nothing"
