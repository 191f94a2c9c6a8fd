"""One ceremony: shares come together in this process, the escrow token opens, cases are executed, and ends.

    idle ──▶ gathering ──▶ open ──▶ closed        idle: no lock, no key, no token
                │  ▲
                └──┘ anew                          a larger note, with a key of its own

- gathering: holds the lock and an ephemeral key; the key service has signed a note for it. Left when a case
  has a quorum by this process's own judgement and the shares of each PIN generation combine.
- anew: other cases became due, and no share was released yet or it has waited long enough for the rest; or
  the note ran out. What was released to the old key is lost with it; officers' clients release again.
- open: the token is open, once; every case that has a quorum is executed, then the PIN is replaced.
- It never goes back from open: what comes later is for the next ceremony, in a process that has known no PIN.

Killed at any moment it leaves nothing open: the key, the PIN and the token's session end with the process,
the lock too. A case that it had begun goes back to `open` when the next ceremony clears away after it.
"""

import contextlib
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from vault_service.ceremony.believed import (
    BelievedCase,
    believe_case,
    believe_note,
    demand_due,
    demand_quorum,
)
from vault_service.ceremony.execute import Executor, Outcome
from vault_service.ceremony.lock import ceremony_lock
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.pin_change import prepare_change
from vault_service.ceremony.pin_open import generations, look, open_pin
from vault_service.ceremony.pin_records import PinParts
from vault_service.ceremony.released import EphemeralKey, Matches, Releases
from vault_service.ceremony.shares import SharesRefusedError, check_secret
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.case import from_case_time
from vault_service.domain.ceremony_note import CeremonyNote, note_hash
from vault_service.domain.errors import UnavailableError, VaultError
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.recovery_errors import NotDueError, QuorumNotMetError
from vault_service.kms.messages import Done
from vault_service.kms.recovery_messages import CeremonyOpened, CloseCeremony, OpenCeremony
from vault_service.storage.keys.believed_chain import Chain, read_chain
from vault_service.storage.keys.cases import CaseRow
from vault_service.storage.keys.ceremonies import list_releases, open_ceremonies
from vault_service.storage.keys.ceremony_cases import cases_by_id, decisions_on, due_cases

_log = structlog.get_logger("ceremony")

_MOST_CASES = 500  # a note; the message's limit
_ASK_AGAIN_S = 30.0  # for a case that is not due yet by the key service's measures
_REFUSED_FOR_S = 3600.0  # one that was altered must not have a note made anew again and again
_SECOND_PIN_S = 5.0  # how long shares of another generation are waited for, once one has combined
_LEFT_OF_NOTE = timedelta(seconds=5)  # not begun any more so shortly before the note runs out
_PAUSE_S = 1.0  # after a part was away


@dataclass(frozen=True, slots=True)
class Result:
    """What a ceremony did."""

    ceremony: CeremonyId
    outcomes: tuple[Outcome, ...]


@dataclass
class _Gathering:
    """One note, and what came in for it."""

    note: CeremonyNote
    chain: Chain
    cases: dict[CaseId, BelievedCase]
    releases: Releases
    pins: PinParts
    began: float  # monotonic
    first_release: float | None = None
    first_secret: float | None = None
    judged: dict[CaseId, tuple[tuple[SignedDecision, ...], VaultError | None]] = field(default_factory=dict)

    @property
    def id(self) -> CeremonyId:
        return CeremonyId(self.note.ceremony_id)


@dataclass(frozen=True, slots=True)
class _Ready:
    cases: tuple[BelievedCase, ...]
    secrets: dict[int, bytes] = field(repr=False)


class Ceremony:
    """Runs once in a process."""

    def __init__(self, parts: CeremonyParts, stop: threading.Event) -> None:
        self._parts = parts
        self._stop = stop
        self._left_out: dict[CaseId, float] = {}

    def run(self, *, wait_s: float) -> Result | None:
        """Wait so long for a case to be due, then gather until its note runs out, and execute.

        None: nothing was due. Raises CeremonyBusyError, QuorumNotMetError and SharesRefusedError when the
        note ran out, and what the key service refused.
        """
        deadline = time.monotonic() + wait_s
        while not self._due():
            if time.monotonic() >= deadline or self._stop.wait(self._parts.look_every_s):
                return None
        with self._locked():
            return self._serve(for_ever=False)

    def run_for_ever(self) -> Result | None:
        """Idle until something is due, serve it, and return; None: told to stop."""
        while not self._stop.is_set():
            try:
                if not self._due():
                    self._stop.wait(self._parts.look_every_s)
                    continue
                with self._locked():
                    result = self._serve(for_ever=True)
                if result is not None:
                    return result
            except UnavailableError as error:
                _log.warning("ceremony.waits", code=error.code, detail=error.detail)
                self._stop.wait(_PAUSE_S)
        return None

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        with ceremony_lock(self._parts.state_dir):
            self._clear_away()
            yield

    def _clear_away(self) -> None:
        """We hold the lock: whatever ceremony stands open was killed. Its cases become open again."""
        with self._parts.db.connection() as conn:
            dead = open_ceremonies(conn, self._parts.now())
        for row in dead:
            self._close(row.ceremony)

    def _close(self, ceremony: CeremonyId) -> None:
        try:
            self._parts.kms.call(CloseCeremony(ceremony), Done)
        except VaultError as error:  # its note runs out by itself
            _log.warning("ceremony.not_closed", code=error.code)

    def _due(self) -> list[CaseRow]:
        """By our own clock; those that were left out of a note a moment ago are not asked for."""
        now, moment = self._parts.now(), time.monotonic()
        self._left_out = {case: until for case, until in self._left_out.items() if until > moment}
        with self._parts.db.connection() as conn:
            rows = due_cases(conn, now, 2 * _MOST_CASES)
        return [row for row in rows if row.case not in self._left_out][:_MOST_CASES]

    def _serve(self, *, for_ever: bool) -> Result | None:
        while not self._stop.is_set():
            gathering = self._begin(for_ever=for_ever)
            if gathering is None:
                return None
            try:
                ready = self._gather(gathering)
                if ready is not None:
                    return Result(gathering.id, self._execute(gathering, ready))
                if not for_ever and self._has_run_out(gathering):
                    raise self._why_not(gathering)
            finally:
                self._close(gathering.id)
        return None

    # --- gathering

    def _begin(self, *, for_ever: bool) -> _Gathering | None:
        chain = self._read_chain()
        cases: dict[CaseId, BelievedCase] = {}
        for row in self._due():
            try:
                believed = believe_case(row, chain)
                demand_due(believed, self._parts.policies, self._parts.now())
            except VaultError as error:
                self._leave_out(row.case, error.code)
                continue
            cases[row.case] = believed
        if not cases:
            return None
        key, serial = EphemeralKey(), chain.newest.tokens.escrow
        pins = PinParts(self._parts.db, self._parts.place, self._parts.state_dir, serial, self._parts.now)
        gens = generations(pins)
        asked = OpenCeremony(tuple(cases), key.point, gens, serial)
        try:
            opened = self._parts.kms.call(asked, CeremonyOpened)
        except UnavailableError:
            raise
        except VaultError as error:
            if not for_ever:
                raise
            for case in cases:
                self._leave_out(case, error.code)
            return None
        for left, code in opened.left_out:
            self._leave_out(CaseId(left), code)
        note = believe_note(opened, asked, cases, chain.newest, self._parts.now())
        noted = {CaseId(each.case_id) for each in note.cases}
        digest = note_hash(opened.note)
        _log.info("ceremony.gathering", ceremony=str(note.ceremony_id), cases=len(noted))
        return _Gathering(
            note,
            chain,
            {case: believed for case, believed in cases.items() if case in noted},
            Releases(key, digest, gens, _matcher(pins)),
            pins,
            time.monotonic(),
        )

    def _leave_out(self, case: CaseId, code: str) -> None:
        again_s = _ASK_AGAIN_S if code == NotDueError.code else _REFUSED_FOR_S
        self._left_out[case] = time.monotonic() + again_s
        _log.warning("ceremony.left_out", case=str(case), code=code)

    def _gather(self, gathering: _Gathering) -> _Ready | None:
        """None: begin anew, or nothing is left to wait for."""
        while not self._stop.is_set():
            live = self._live(gathering)
            if not live or self._has_run_out(gathering):
                return None
            decided = self._with_quorum(gathering, live)
            secrets = self._secrets(gathering)
            if decided and secrets is not None and not self._manifest_changed(gathering):
                return _Ready(decided, secrets)
            if self._others_are_due(gathering) and self._may_begin_anew(gathering):
                return None
            self._stop.wait(self._parts.look_every_s)
        return None

    def _manifest_changed(self, gathering: _Gathering) -> bool:
        """Then judge anew: an officer who was removed meanwhile has no voice any more."""
        chain = self._read_chain()
        if chain.newest.serial == gathering.chain.newest.serial:
            return False
        gathering.chain = chain
        gathering.judged.clear()
        return True

    def _read_chain(self) -> Chain:
        return read_chain(
            self._parts.db, fingerprint=self._parts.fingerprint, state_dir=self._parts.state_dir
        )

    def _has_run_out(self, gathering: _Gathering) -> bool:
        return self._parts.now() >= from_case_time(gathering.note.expires_at) - _LEFT_OF_NOTE

    def _live(self, gathering: _Gathering) -> tuple[BelievedCase, ...]:
        """Those that nobody has decided, cancelled or altered meanwhile."""
        with self._parts.db.connection() as conn:
            rows = cases_by_id(conn, tuple(gathering.cases))
        return tuple(
            gathering.cases[row.case]
            for row in rows
            if row.state == "open" and row.body == gathering.cases[row.case].row.body
        )

    def _with_quorum(self, gathering: _Gathering, live: tuple[BelievedCase, ...]) -> tuple[BelievedCase, ...]:
        with self._parts.db.connection() as conn:
            decisions = decisions_on(conn, [believed.row.case for believed in live])
        return tuple(
            believed
            for believed in live
            if self._judge(gathering, believed, decisions[believed.row.case]) is None
        )

    def _judge(
        self, gathering: _Gathering, believed: BelievedCase, decisions: tuple[SignedDecision, ...]
    ) -> VaultError | None:
        """Anew only when a decision was added: it is four looks a second."""
        known = gathering.judged.get(believed.row.case)
        if known is not None and known[0] == decisions:
            return known[1]
        error: VaultError | None = None
        try:
            demand_quorum(believed, decisions, gathering.chain.newest, self._parts.policies)
        except VaultError as why:
            error = why
        gathering.judged[believed.row.case] = (decisions, error)
        return error

    def _secrets(self, gathering: _Gathering) -> dict[int, bytes] | None:
        """Of every generation in the note; of one alone after a while, when the other's do not come."""
        with self._parts.db.connection() as conn:
            rows = list_releases(conn, gathering.id)
        moment = time.monotonic()
        if rows and gathering.first_release is None:
            gathering.first_release = moment
        secrets = gathering.releases.look(rows)
        if not secrets:
            return None
        if gathering.first_secret is None:
            gathering.first_secret = moment
        if len(secrets) < len(gathering.note.pin_gens) and moment < gathering.first_secret + _SECOND_PIN_S:
            return None
        return secrets

    def _others_are_due(self, gathering: _Gathering) -> bool:
        return any(row.case not in gathering.cases for row in self._due())

    def _may_begin_anew(self, gathering: _Gathering) -> bool:
        patience = self._parts.policies.recovery.ceremony.batch_patience_s
        first = gathering.first_release
        return first is None or time.monotonic() > first + patience

    def _why_not(self, gathering: _Gathering) -> VaultError:
        errors = [error for _, error in gathering.judged.values()]
        quorum = next((error for error in errors if isinstance(error, QuorumNotMetError)), None)
        if quorum is not None and None not in errors:
            return quorum
        return SharesRefusedError("too few shares of the escrow PIN were released to this ceremony")

    # --- open

    def _execute(self, gathering: _Gathering, ready: _Ready) -> tuple[Outcome, ...]:
        """The PIN is replaced whatever became of the cases: this process has known it."""
        with open_pin(gathering.pins, ready.secrets) as opened:
            executor = Executor(self._parts, gathering.id, opened.token, gathering.chain.newest)
            outcomes = tuple(executor.run(believed) for believed in ready.cases)
            officers_now = self._read_chain().newest  # an officer change may have been among them
            change = prepare_change(gathering.pins, opened, officers_now)
            change.switch(opened)
        change.confirm()
        return outcomes


def _matcher(pins: PinParts) -> Matches:
    """Compares with the check values as they are now; the token is not asked."""
    checks = {pin.generation: pin.pin_check for pin in look(pins).candidates}

    def match(generation: int, secret: bytes) -> None:
        check_secret(secret, checks[generation], pins.token_serial, generation)

    return match
