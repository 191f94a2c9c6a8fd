"""Rotate one kind of key from the online token: `vaultctl rotate KIND`.

    1 a key       one that is prepared already, else a new one is made
    2 current     everything new is made with it; the one before is retiring
    3 rewrap      pepper and login index: workers rewrite every wrap that is on an older generation
    4 verify      a sample is opened again (verify.py); to retire the old one is a step of its own (retire.py)

Whatever breaks this off, the same command goes on: a rotation that runs is watched; an older generation that
wraps still need is gone on with, before another key is made; a key that is prepared is used; and for a day
after a key took another's place, no third one is made unless that is said. So nobody who repeats a command in
fear makes a generation more than was wanted.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast, get_args

from vault_service.domain.errors import UnavailableError
from vault_service.domain.rotation import REWRAPPED, OnlineKind, RewrapKind
from vault_service.domain.rotation_errors import NoRotationError, NothingToRotateError, RotationBusyError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import (
    CensusIs,
    CreateKey,
    GenerationIs,
    MakeKeyCurrent,
    RotationIs,
    RotationRow,
    RotationsAre,
    RotationStatus,
    StartRotation,
    TakeCensus,
)
from vault_service.rotation.status import Needs, Status

ONLINE_KINDS: tuple[OnlineKind, ...] = get_args(OnlineKind)
LOOK_EVERY_S = 0.5
FRESH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command is about to do; a step that was done before is left out."""

    kind: OnlineKind
    watch: RotationRow | None = None  # it runs already
    create: bool = False
    make_current: int | None = None  # None: the one that is created, or nothing
    start: bool = False
    fresh: bool = False  # everything is on a key that another one gave way to only lately: nothing is done
    left: Needs = ()  # what is on older generations, and what will be

    @property
    def changes_keys(self) -> bool:
        """Whether another generation becomes current."""
        return self.create or self.make_current is not None


def draw_plan(kms: KmsClient, status: Status, kind: OnlineKind, *, new_key: bool = False) -> Plan:
    """From how things stand. `new_key`: make another key whatever is left on older ones.

    Raises RotationBusyError when a rotation is paused.
    """
    under_way = status.under_way(kind)
    if under_way is not None and under_way.state == "paused":
        raise RotationBusyError(f"the rotation of the {kind} key is paused: vaultctl rotate resume {kind}")
    if under_way is not None:
        return Plan(kind, watch=under_way)
    rewrapped = kind in REWRAPPED
    prepared = next((row.gen for row in status.of(kind) if row.state == "prepared"), None)
    left = _left(status, kind)
    if rewrapped and left and prepared is None and not new_key:
        return Plan(kind, start=True, left=left)
    now_current = status.current(kind)
    if prepared is None and not new_key and _is_fresh(status, kind):
        return Plan(kind, fresh=True)
    here = kms.call(TakeCensus(kind, now_current.gen), CensusIs).needed_by if rewrapped else ()
    return Plan(
        kind, create=prepared is None, make_current=prepared, start=rewrapped, left=_added(left, here)
    )


def _is_fresh(status: Status, kind: OnlineKind) -> bool:
    """Whether it took another's place within a day; the first one of all took nobody's."""
    current = status.current(kind)
    has_older = any(row.gen < current.gen for row in status.of(kind))
    return has_older and status.at - datetime.fromisoformat(current.since) < FRESH


def _left(status: Status, kind: OnlineKind) -> Needs:
    return _added(*(status.needs.get((kind, row.gen), ()) for row in status.of(kind)))


def _added(*needs: Needs) -> Needs:
    found: dict[str, int] = {}
    for name, number in itertools.chain.from_iterable(needs):
        found[name] = found.get(name, 0) + number
    return tuple(found.items())


def begin(
    kms: KmsClient, plan: Plan, *, rate: int, workers: int, tell: Callable[[str], None]
) -> RotationRow | None:
    """Do it, up to where the workers go on by themselves. None where nothing is rewrapped."""
    gen = plan.make_current
    if plan.create:
        made = kms.call(CreateKey(plan.kind), GenerationIs)
        gen = made.generation.gen
        tell(f"Generation {gen} is made, and prepared.")
    if gen is not None:
        done = kms.call(MakeKeyCurrent(plan.kind, gen), GenerationIs)
        tell(f"Generation {gen} is current (manifest {done.serial}): everything new is made with it.")
    if plan.watch is not None:
        return plan.watch
    if not plan.start:
        return None
    kind = cast("RewrapKind", plan.kind)
    try:
        return kms.call(StartRotation(kind, rate, workers), RotationIs).rotation
    except NothingToRotateError:
        return None
    except RotationBusyError:  # somebody else's command, or the worker's schedule, came first
        return find(kms, lambda row: row.kind == kind and row.state != "finished")


def find(kms: KmsClient, wanted: Callable[[RotationRow], bool]) -> RotationRow:
    """The newest that fits. Raises NoRotationError."""
    for row in kms.call(RotationStatus(), RotationsAre).rotations:
        if wanted(row):
            return row
    raise NoRotationError("it is not among the newest rotations any more")


def watch(
    kms: KmsClient,
    rotation: RotationRow,
    look: Callable[[RotationRow | None], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> RotationRow:
    """Until it is finished, or paused by somebody.

    `look` is shown it again and again; None while key service or database are away, which does it no harm.
    """
    while rotation.state == "running":
        look(rotation)
        sleep(LOOK_EVERY_S)
        try:
            rotation = find(kms, lambda row: row.rotation_id == rotation.rotation_id)  # noqa: B023  # at once
        except UnavailableError:
            look(None)
    look(rotation)
    return rotation
