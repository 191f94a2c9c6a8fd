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
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from vault_service.ceremony.believed import (
    BelievedCase,
    believe_note,
    demand_quorum,
)
from vault_service.ceremony.due import DueCases
from vault_service.ceremony.execute import Executor, Outcome
from vault_service.ceremony.gone_keys import destroy_gone
from vault_service.ceremony.lock import ceremony_lock
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.pin_change import prepare_change
from vault_service.ceremony.pin_open import Opened, generations, look, open_pin
from vault_service.ceremony.pin_records import PinParts
from vault_service.ceremony.released import EphemeralKey, Matches, Releases
from vault_service.ceremony.shares import SharesRefusedError, check_secret
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.case import from_case_time
from vault_service.domain.ceremony_note import CeremonyNote, note_hash
from vault_service.domain.errors import ConfigurationError, UnavailableError, VaultError
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.recovery_errors import CaseClosedError, PinUnfinishedError, QuorumNotMetError
from vault_service.kms.protocol.messages import Done
from vault_service.kms.protocol.recovery_messages import CeremonyOpened, CloseCeremony, OpenCeremony
from vault_service.logs import Repeated
from vault_service.storage.keys.believed_chain import Chain, read_chain
from vault_service.storage.keys.ceremonies import list_releases, open_ceremonies
from vault_service.storage.keys.ceremony_cases import cases_by_id, decisions_on

_log = structlog.get_logger("ceremony")

_SECOND_PIN_S = 5.0  # how long shares of another generation are waited for, once one has combined
_LEFT_OF_NOTE = timedelta(seconds=5)  # not begun any more so shortly before the note runs out
_PAUSE_S = 1.0  # after a part was away


@dataclass(frozen=True, slots=True)
class Result:
    """What a ceremony did."""

    ceremony: CeremonyId
    outcomes: tuple[Outcome, ...]
    pin_error: VaultError | None = None
    """The cases are as `outcomes` says, and the PIN's change came to no end: the next ceremony ends it."""


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


class _NoNoteError(Exception):
    """The key service has signed none."""

    def __init__(self, why: VaultError) -> None:
        super().__init__(why.code)
        self.why = why


class Ceremony:
    """Runs once in a process."""

    def __init__(self, parts: CeremonyParts, stop: threading.Event) -> None:
        self._parts = parts
        self._stop = stop
        self._due = DueCases(parts)
        self._knew_a_pin = False

    def run(self, *, wait_s: float) -> Result | None:
        """Wait so long for a case to be due, then gather until its note runs out, and execute.

        None: nothing was due. Raises CeremonyBusyError, QuorumNotMetError and SharesRefusedError when the
        note ran out, and what the key service refused.
        """
        deadline = time.monotonic() + wait_s
        while True:
            if self._due.there_are():
                with self._locked():
                    result = self._serve(for_ever=False)
                if result is not None:
                    return result
            if time.monotonic() >= deadline or self._stop.wait(self._parts.look_every_s):
                return None

    def run_for_ever(self) -> Result | None:
        """Idle until something is due, serve it, and return; None: told to stop.

        Raises what `run` does once the escrow token was to be opened, or what nobody should wait for.
        """
        away = Repeated()
        while not self._stop.is_set():
            try:
                if self._due.there_are():
                    with self._locked():
                        result = self._serve(for_ever=True)
                    if result is not None:
                        return result
                else:
                    self._stop.wait(self._parts.look_every_s)
            except UnavailableError as error:
                if self._knew_a_pin:
                    raise
                if (count := away.failed(error.code)) is not None:
                    _log.warning("ceremony.waits", code=error.code, n=count)
                self._stop.wait(_PAUSE_S)
            else:
                if count := away.over():
                    _log.info("ceremony.goes_on", n=count)
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

    def _serve(self, *, for_ever: bool) -> Result | None:
        while not self._stop.is_set():
            gathering = self._begin(for_ever=for_ever)
            if gathering is None:
                return None
            try:
                ready = self._gather(gathering)
                if ready is not None:
                    return self._execute(gathering, ready)
                if not for_ever and self._has_run_out(gathering):
                    raise self._why_not(gathering)
            finally:
                self._close(gathering.id)
        return None

    # --- gathering

    def _begin(self, *, for_ever: bool) -> _Gathering | None:
        """None: nothing that is due is to be believed. Raises what the key service refused, but for ever."""
        chain = self._read_chain()
        refused: VaultError | None = None
        while cases := self._due.believed(chain):
            try:
                return self._noted(chain, cases)
            except UnavailableError:
                raise
            except _NoNoteError as error:  # then there may be others behind these
                refused = error.why
                self._due.leave_out_all(cases, refused.code)
        if refused is not None and not for_ever:
            raise refused
        return None

    def _noted(self, chain: Chain, cases: dict[CaseId, BelievedCase]) -> _Gathering:
        """With the key service's note for a new key. Raises _NoNoteError when it leaves out all of them."""
        key, serial = EphemeralKey(), chain.newest.tokens.escrow
        pins = PinParts(self._parts.db, self._parts.place, self._parts.state_dir, serial, self._parts.now)
        gens = generations(pins)
        asked = OpenCeremony(tuple(cases), key.point, gens, serial)
        try:
            opened = self._parts.kms.call(asked, CeremonyOpened)
        except UnavailableError:
            raise
        except VaultError as error:
            raise _NoNoteError(error) from None
        for left, code in opened.left_out:
            self._due.leave_out(CaseId(left), code)
        note = believe_note(opened, asked, cases, chain.newest, self._parts.now())
        noted = {CaseId(each.case_id) for each in note.cases}
        digest = note_hash(opened.note)
        _log.info("ceremony.gathering", ceremony_id=str(note.ceremony_id), n=len(noted))
        return _Gathering(
            note,
            chain,
            {case: believed for case, believed in cases.items() if case in noted},
            Releases(key, digest, gens, _matcher(pins)),
            pins,
            time.monotonic(),
        )

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
            if self._may_begin_anew(gathering) and self._others_are_due(gathering):
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
            if row.body == gathering.cases[row.case].row.body
            and (row.state == "open" or (row.state == "executing" and row.ceremony == gathering.id))
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
        """By the manifests as they are now: a case may name one of after this note."""
        if not self._due.there_are(beside=gathering.cases):
            return False
        self._manifest_changed(gathering)
        return any(case not in gathering.cases for case in self._due.believed(gathering.chain))

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

    def _execute(self, gathering: _Gathering, ready: _Ready) -> Result:
        """The PIN is replaced whatever became of the cases: this process has known it.

        Where that fails, what was executed stands all the same and is told with it: the public half of a new
        escrow key, say, is told nowhere else. Raises what `open_pin` does.
        """
        self._knew_a_pin = True
        outcomes: list[Outcome] = []
        try:
            with open_pin(gathering.pins, ready.secrets) as opened:
                for believed in ready.cases:
                    outcomes.append(self._execute_one(gathering, opened, believed))  # noqa: PERF401  # told if the next dies
                officers_now = self._read_chain().newest  # an officer change may have been among them
                destroy_gone(self._parts, opened.token, officers_now)
                change = prepare_change(gathering.pins, opened, officers_now)
                change.switch(opened)
            change.confirm()
        except VaultError as error:
            if not outcomes:
                raise
            refused = error if isinstance(error, ConfigurationError) else PinUnfinishedError(error.detail)
            return Result(gathering.id, tuple(outcomes), refused)
        return Result(gathering.id, tuple(outcomes))

    def _execute_one(self, gathering: _Gathering, opened: Opened, believed: BelievedCase) -> Outcome:
        """Judged once more: the case before may have taken long, or have removed an officer."""
        case = believed.case
        try:
            self._manifest_changed(gathering)
            if believed not in self._live(gathering):
                raise CaseClosedError("the case was decided or altered meanwhile")
            if error := self._judge_now(gathering, believed):
                raise error
        except VaultError as error:
            return Outcome(CaseId(case.case_id), case.kind, error)
        parts = replace(self._parts, ends_at=from_case_time(gathering.note.expires_at))
        executor = Executor(parts, gathering.id, opened, gathering.chain.newest)
        return executor.run(believed)

    def _judge_now(self, gathering: _Gathering, believed: BelievedCase) -> VaultError | None:
        with self._parts.db.connection() as conn:
            decisions = decisions_on(conn, [believed.row.case])
        return self._judge(gathering, believed, decisions[believed.row.case])


def _matcher(pins: PinParts) -> Matches:
    """Compares with the check values as they are now; the token is not asked."""
    checks = {pin.generation: pin.pin_check for pin in look(pins).candidates}

    def match(generation: int, secret: bytes) -> None:
        check = checks.get(generation)
        if check is None:  # the table was altered since the note was made
            raise SharesRefusedError(f"there is no PIN generation {generation} any more")
        check_secret(secret, check, pins.token_serial, generation)

    return match
